import type Stripe from "stripe";
import { createStripe } from "../../src/stripe/client.ts";
import { ensureMeters } from "./stripe-meters.ts";
import type { StripeSide } from "./stripe-side.ts";

const requestTimeoutMs = 15_000;
const minuteSeconds = 60;
/** The worker's client never retries by itself; here nothing else would. */
const requestOptions: Stripe.RequestOptions = { maxNetworkRetries: 3 };

/** The account that bills, real or simulated, as the demo uses it: always through Stripe's own package. */
export type StripeAccount = {
  createCustomer: (name: string) => Promise<string>;
  /** The customer's readings that Stripe's event summaries count since a time. */
  readBilledReadings: (customerId: string, since: Date) => Promise<bigint>;
};

/** Opens the account and makes sure that it has both meters. */
export async function openStripeAccount({ kind, apiKey, apiBase }: StripeSide): Promise<StripeAccount> {
  const stripe = createStripe({ apiKey, apiBase, timeoutMs: requestTimeoutMs });
  const meterIds = await ensureMeters(stripe, requestOptions).catch((cause: unknown) => {
    throw new Error(`the Stripe ${kind} at ${apiBase} cannot be used`, { cause });
  });
  return {
    createCustomer: async (name) => {
      const customer = { name, metadata: { created_by: "meter-outbox demo" } };
      return (await stripe.customers.create(customer, requestOptions)).id;
    },
    readBilledReadings: (customerId, since) =>
      sumSummaries(stripe, meterIds.temperature_readings, { customerId, since }),
  };
}

// Both times must lie on a full minute (docs.stripe.com/api/billing/meter-event-summary/list); the end is exclusive.
async function sumSummaries(
  stripe: Stripe,
  meterId: string,
  { customerId, since }: { customerId: string; since: Date },
): Promise<bigint> {
  const startMinute = Math.floor(since.getTime() / 1_000 / minuteSeconds);
  const endMinute = Math.floor(Date.now() / 1_000 / minuteSeconds) + 1;
  const summaries = stripe.billing.meters.listEventSummaries(
    meterId,
    {
      customer: customerId,
      start_time: startMinute * minuteSeconds,
      end_time: endMinute * minuteSeconds,
    },
    requestOptions,
  );
  let billed = 0n;
  for await (const { aggregated_value: readings } of summaries) billed += BigInt(readings);
  return billed;
}
