import Stripe from "stripe";
import { createStripe } from "../../src/stripe/client.ts";
import { meterNames, meters, type MeterName } from "../../src/usage/meters.ts";
import type { StripeSide } from "./stripe-side.ts";
import type { Link } from "./operator-api.ts";

const requestTimeoutMs = 15_000;
const minuteSeconds = 60;
/** The worker's client never retries by itself; here no other part would. */
const requestOptions: Stripe.RequestOptions = { maxNetworkRetries: 3 };

/** The account that bills, real or simulated, as the demo uses it: always through Stripe's own package. */
export type StripeAccount = {
  createCustomer: (name: string) => Promise<string>;
  /** Opens a checkout session in which the customer can subscribe for the organization. Returns its id. */
  openCheckout: (link: Link) => Promise<string>;
  /** Subscribes the customer without a checkout, as the account itself can. */
  subscribeDirectly: (customerId: string) => Promise<void>;
  /** Cancels all subscriptions of the customer but the newest, and returns the id of that. */
  keepNewestSubscription: (customerId: string) => Promise<string>;
  /** The quantities of the lines of a subscription's newest invoice, by the event names of their prices' meters. */
  readInvoiced: (subscription: string) => Promise<Partial<Record<string, bigint>>>;
  /**
   * The value of Stripe's event summaries for the customer since a time: a sum, or the last value, as the meter folds.
   */
  readBilled: (meter: MeterName, customerId: string, since: Date) => Promise<bigint>;
};

/** Opens the account and makes sure that it has both meters. */
export async function openStripeAccount({ kind, apiKey, apiBase }: StripeSide): Promise<StripeAccount> {
  const stripe = createStripe({ apiKey, apiBase, timeoutMs: requestTimeoutMs });
  const meterIds = await ensureMeters(stripe, requestOptions).catch((cause: unknown) => {
    throw new Error(`the Stripe ${kind} at ${apiBase} cannot be used`, { cause });
  });
  const prices: string[] = [];
  for (const name of meterNames) prices.push(await ensurePrice(stripe, meterIds[name]));
  return {
    createCustomer: async (name) => {
      const customer = { name, metadata: { created_by: "meter-outbox demo" } };
      return (await stripe.customers.create(customer, requestOptions)).id;
    },
    openCheckout: async (link) =>
      (await stripe.checkout.sessions.create(sessionFor(link, prices), requestOptions)).id,
    subscribeDirectly: async (customer) => {
      const items = prices.map((price) => ({ price }));
      await stripe.subscriptions.create({ customer, items }, requestOptions);
    },
    keepNewestSubscription: async (customer) => {
      // The newest first (docs.stripe.com/api/subscriptions/list).
      const [newest, ...older] = (await stripe.subscriptions.list({ customer }, requestOptions)).data;
      if (newest === undefined) throw new Error(`the customer ${customer} has no subscription`);
      for (const { id } of older) await stripe.subscriptions.cancel(id, {}, requestOptions);
      return newest.id;
    },
    readInvoiced: (subscription) => readInvoiced(stripe, subscription),
    readBilled: (meter, customerId, since) =>
      readSummary(stripe, meterIds[meter], { customer: customerId, ...fullMinutesSince(since) }),
  };
}

const linesPerPage = 100;

async function readInvoiced(stripe: Stripe, subscription: string): Promise<Partial<Record<string, bigint>>> {
  const { data: invoices } = await stripe.invoices.list({ subscription, limit: 1 }, requestOptions);
  const [invoice] = invoices;
  if (invoice === undefined) throw new Error(`the subscription ${subscription} has no invoice`);
  const { data } = await stripe.invoices.listLineItems(invoice.id, { limit: linesPerPage }, requestOptions);
  const lines = data.map(async ({ pricing, quantity_decimal: quantity }) => {
    const id = pricing?.price_details?.price;
    if (typeof id !== "string") throw new Error(`a line of ${invoice.id} names no price`);
    const { recurring } = await stripe.prices.retrieve(id, {}, requestOptions);
    const meter = await stripe.billing.meters.retrieve(recurring?.meter ?? "", {}, requestOptions);
    return [meter.event_name, BigInt(quantity?.toString() ?? 0)] as const;
  });
  return Object.fromEntries(await Promise.all(lines));
}

/** A metered price for a meter: the newest that the account has, or a new one. */
async function ensurePrice(stripe: Stripe, meter: string): Promise<string> {
  const { data } = await stripe.prices.list({ active: true, recurring: { meter }, limit: 1 }, requestOptions);
  if (data[0] !== undefined) return data[0].id;
  const price = await stripe.prices.create(
    {
      currency: "usd",
      unit_amount_decimal: Stripe.Decimal.from("0.01"),
      product_data: { name: "Temperature monitoring (demo)" },
      recurring: { interval: "month", usage_type: "metered", meter },
    },
    requestOptions,
  );
  return price.id;
}

function sessionFor(
  { organizationId, stripeCustomerId }: Link,
  prices: readonly string[],
): Stripe.Checkout.SessionCreateParams {
  return {
    mode: "subscription",
    client_reference_id: organizationId,
    customer: stripeCustomerId,
    line_items: prices.map((price) => ({ price })),
    success_url: "https://example.com/subscribed",
  };
}

// Both times must lie on a full minute (docs.stripe.com/api/billing/meter-event-summary/list); the end is exclusive.
function fullMinutesSince(since: Date): { start_time: number; end_time: number } {
  const startMinute = Math.floor(since.getTime() / 1_000 / minuteSeconds);
  const endMinute = Math.floor(Date.now() / 1_000 / minuteSeconds) + 1;
  return { start_time: startMinute * minuteSeconds, end_time: endMinute * minuteSeconds };
}

// Without a grouping window there is one summary of the whole time, or none of a customer without usage.
async function readSummary(
  stripe: Stripe,
  meterId: string,
  range: Stripe.Billing.MeterListEventSummariesParams,
): Promise<bigint> {
  const { data } = await stripe.billing.meters.listEventSummaries(meterId, range, requestOptions);
  return BigInt(data[0]?.aggregated_value ?? 0);
}

const metersPerPage = 100;
const metersMax = 10_000;

/** Makes sure that the account has the service's meters, active, under their default event names. Returns their ids. */
async function ensureMeters(
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
