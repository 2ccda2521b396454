import { chooseMeters } from "../../billing/choose-subscription.ts";
import type { StripeReads } from "../../stripe/reads.ts";
import type { RememberedMeters } from "../../stripe/remember-meters.ts";
import { type MeterEventNames, type MeterName, meterNames } from "../../usage/meters.ts";

export type BilledDeps = {
  reads: Pick<StripeReads, "readSubscriptions"> & { meters: RememberedMeters };
  eventNames: MeterEventNames;
  /** Stripe's time. */
  stripeNowMs: () => number;
};

/** Statuses of subscriptions whose usage of now an invoice will have: in a trial it is free, as it may be while collection pauses. */
const payingStatuses = ["active", "past_due"];

/** The meters whose usage of now a subscription of the customer bills, as Stripe tells. */
export async function readBilledNow(
  { reads, eventNames, stripeNowMs }: BilledDeps,
  customer: string,
): Promise<MeterName[]> {
  const subscriptions = (await reads.readSubscriptions(customer)) ?? [];
  const now = new Date(stripeNowMs());
  const billed = subscriptions
    .filter(({ status, isCollectionPaused }) => payingStatuses.includes(status) && !isCollectionPaused)
    .flatMap(({ items }) => items)
    .filter(({ periodStart, periodEnd }) => periodStart <= now && periodEnd > now)
    .flatMap(({ meterId }) => meterId ?? []);
  if (billed.length === 0) return [];
  const known = await reads.meters.knowing(billed);
  return meterNames.filter((name) => {
    const ids = chooseMeters(known, [eventNames[name]]);
    return billed.some((id) => ids.has(id));
  });
}
