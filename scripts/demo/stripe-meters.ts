import type Stripe from "stripe";
import { type MeterName, meterNames, meters } from "../../src/usage/meters.ts";

const metersPerPage = 100;
const metersMax = 10_000;

/** Makes sure that the account has the service's meters, active, under their default event names. Returns their ids. */
export async function ensureMeters(
  stripe: Stripe,
  options: Stripe.RequestOptions,
): Promise<Record<MeterName, string>> {
  const existing = await stripe.billing.meters
    .list({ limit: metersPerPage }, options)
    .autoPagingToArray({ limit: metersMax });
  const ids: Partial<Record<MeterName, string>> = {};
  for (const name of meterNames) {
    const meter = existing.find(({ event_name: eventName }) => eventName === name);
    ids[name] =
      meter === undefined
        ? await createMeter(stripe, name, options)
        : await reuseMeter(stripe, { name, meter }, options);
  }
  return ids as Record<MeterName, string>;
}

async function createMeter(stripe: Stripe, name: MeterName, options: Stripe.RequestOptions): Promise<string> {
  const created = await stripe.billing.meters.create(
    {
      display_name: name.replaceAll("_", " "),
      event_name: name,
      default_aggregation: { formula: meters[name].aggregation },
    },
    options,
  );
  return created.id;
}

// Nothing but a meter's display name can be changed, and none can be deleted (docs.stripe.com/api/billing/meter).
async function reuseMeter(
  stripe: Stripe,
  { name, meter }: { name: MeterName; meter: Stripe.Billing.Meter },
  options: Stripe.RequestOptions,
): Promise<string> {
  const { formula } = meter.default_aggregation;
  if (formula !== meters[name].aggregation) {
    throw new Error(`its meter ${name} folds by ${formula}, not by ${meters[name].aggregation}`);
  }
  if (meter.status !== "active") await stripe.billing.meters.reactivate(meter.id, {}, options);
  return meter.id;
}
