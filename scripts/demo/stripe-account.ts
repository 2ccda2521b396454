import type Stripe from "stripe";
import { createStripe } from "../../src/stripe/client.ts";
import { type MeterName, meterNames, meters } from "../../src/usage/meters.ts";

const requestTimeoutMs = 15_000;
const minuteSeconds = 60;
const metersPerPage = 100;

/** The account that bills, real or simulated, as the demo uses it: always through Stripe's own package. */
export type StripeAccount = {
  createCustomer: (name: string) => Promise<string>;
  /** The customer's readings that Stripe's event summaries count since a time. */
  readBilledReadings: (customerId: string, since: Date) => Promise<bigint>;
};

/** Opens the account and makes sure that it has both meters, active, under their default event names. */
export async function openStripeAccount(access: { apiKey: string; apiBase: string }): Promise<StripeAccount> {
  const stripe = createStripe({ ...access, timeoutMs: requestTimeoutMs });
  const existing = await stripe.billing.meters
    .list({ limit: metersPerPage })
    .autoPagingToArray({ limit: 10_000 });
  const meterIds = new Map<MeterName, string>();
  for (const name of meterNames) {
    const meter = existing.find(({ event_name: eventName }) => eventName === name);
    meterIds.set(name, await ensureMeter(stripe, name, meter));
  }
  return {
    createCustomer: async (name) => {
      const customer = await stripe.customers.create({ name, metadata: { created_by: "meter-outbox demo" } });
      return customer.id;
    },
    readBilledReadings: (customerId, since) =>
      sumSummaries(stripe, meterIds.get("temperature_readings") ?? "", { customerId, since }),
  };
}

async function ensureMeter(
  stripe: Stripe,
  name: MeterName,
  meter: Stripe.Billing.Meter | undefined,
): Promise<string> {
  const formula = meters[name].aggregation;
  if (meter === undefined) {
    const created = await stripe.billing.meters.create({
      display_name: name.replaceAll("_", " "),
      event_name: name,
      default_aggregation: { formula },
    });
    return created.id;
  }
  // Nothing but the display name of a meter can be changed (docs.stripe.com/api/billing/meter/update).
  if (meter.default_aggregation.formula !== formula) {
    throw new Error(
      `the Stripe account's meter ${name} folds by ${meter.default_aggregation.formula}, not ${formula}`,
    );
  }
  if (meter.status !== "active") await stripe.billing.meters.reactivate(meter.id);
  return meter.id;
}

// Both times must lie on a full minute (docs.stripe.com/api/billing/meter-event-summary/list); the end is exclusive.
async function sumSummaries(
  stripe: Stripe,
  meterId: string,
  { customerId, since }: { customerId: string; since: Date },
): Promise<bigint> {
  const startMinute = Math.floor(since.getTime() / 1_000 / minuteSeconds);
  const endMinute = Math.floor(Date.now() / 1_000 / minuteSeconds) + 1;
  const summaries = stripe.billing.meters.listEventSummaries(meterId, {
    customer: customerId,
    start_time: startMinute * minuteSeconds,
    end_time: endMinute * minuteSeconds,
  });
  let billed = 0n;
  for await (const { aggregated_value: readings } of summaries) billed += BigInt(readings);
  return billed;
}
