import type Stripe from "stripe";
import { findMeters } from "./find-meters.ts";
import { meterFaults, meterToCreate, type WantedMeter } from "./meter-faults.ts";

/** What was done about one meter. */
type MeterSetUp<Wanted> = {
  wanted: Wanted;
  meterId: string;
  action: "created" | "reactivated" | "unchanged";
};

/** A meter has a wanted name, cannot be used and cannot be changed. */
export type RefusedMeter<Wanted> = { wanted: Wanted; meterId: string; faults: string[] };

export type SetUp<Wanted> =
  | { kind: "ready"; meters: MeterSetUp<Wanted>[] }
  | { kind: "refused"; meters: RefusedMeter<Wanted>[] };

/**
 * Makes sure that these meters exist and are active. Nothing is changed when one of them exists with other settings.
 * Safe to repeat. Throws the SDK's error.
 */
export async function setUpMeters<Wanted extends WantedMeter>(
  stripe: Stripe,
  wanted: readonly Wanted[],
): Promise<SetUp<Wanted>> {
  const found = await findMeters(
    stripe,
    wanted.map(({ eventName }) => eventName),
  );
  const refused = wanted.flatMap((one) => refusal(found.get(one.eventName), one));
  if (refused.length > 0) return { kind: "refused", meters: refused };
  const meters: MeterSetUp<Wanted>[] = [];
  for (const one of wanted) {
    meters.push({ wanted: one, ...(await setUpMeter(stripe, found.get(one.eventName), one)) });
  }
  return { kind: "ready", meters };
}

function refusal<Wanted extends WantedMeter>(
  meter: Stripe.Billing.Meter | undefined,
  wanted: Wanted,
): RefusedMeter<Wanted>[] {
  if (meter === undefined) return [];
  const faults = meterFaults(meter, wanted);
  return faults.length === 0 ? [] : [{ wanted, meterId: meter.id, faults }];
}

async function setUpMeter(
  stripe: Stripe,
  found: Stripe.Billing.Meter | undefined,
  wanted: WantedMeter,
): Promise<Omit<MeterSetUp<WantedMeter>, "wanted">> {
  if (found === undefined) {
    const { id } = await stripe.billing.meters.create(meterToCreate(wanted));
    return { meterId: id, action: "created" };
  }
  if (found.status === "active") return { meterId: found.id, action: "unchanged" };
  await stripe.billing.meters.reactivate(found.id);
  return { meterId: found.id, action: "reactivated" };
}
