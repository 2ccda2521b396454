import { Stripe } from "stripe";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startSimulator, type RunningSimulator } from "../start-simulator.ts";
import { monthsAfter } from "./billing-period.ts";
import { makePrice } from "./make-price.ts";

const hourSeconds = 3_600;
const nowSeconds = Date.parse("2026-11-20T10:00:30Z") / 1000;
const periodEnd = Date.parse("2026-12-20T10:00:30Z") / 1000;

let running: RunningSimulator;
let stripe: Stripe;
let subscription: string;

beforeEach(async () => {
  running = await startSimulator({
    meters: [
      { event_name: "readings", formula: "sum" },
      { event_name: "sensors", formula: "last" },
    ],
    customers: ["cus_1"],
  });
  running.simulator.setClock({ now: nowSeconds, frozen: true });
  stripe = stripeWith("sk_test_x");
  const { data: meters } = await stripe.billing.meters.list();
  const items = await Promise.all(meters.map(async ({ id }) => ({ price: await makePrice(stripe, id) })));
  subscription = (await stripe.subscriptions.create({ customer: "cus_1", items })).id;
});

afterEach(() => running.stop());

test("a draft is finalized an hour after it was drawn up, with the usage that had arrived by then", async () => {
  await send("readings", "40", nowSeconds);
  const draft = await draftOf();
  const drawnUp = await quantities(draft.id);
  await send("readings", "2", periodEnd - 1);
  await send("sensors", "7", periodEnd - 1);
  await send("readings", "1000", periodEnd);
  running.simulator.setClock({ now: periodEnd + hourSeconds });
  const finalized = await stripe.invoices.retrieve(draft.id);
  await send("readings", "500", periodEnd - 2);

  expect(draft).toMatchObject({
    status: "draft",
    automatically_finalizes_at: periodEnd + hourSeconds,
    period_start: nowSeconds,
    period_end: periodEnd,
  });
  expect(drawnUp).toEqual({ readings: "40", sensors: "0" });
  expect(await quantities(draft.id)).toEqual({ readings: "42", sensors: "7" });
  expect(finalized).toMatchObject({ status: "paid", automatically_finalizes_at: null, total: 98 });
  expect(finalized.status_transitions.finalized_at).toBe(periodEnd + hourSeconds);
});

test("usage after the draft is on the next invoice, and what came after a finalization on none", async () => {
  await draftOf();
  await send("readings", "3", periodEnd);
  running.simulator.setClock({ now: periodEnd + hourSeconds });
  await send("readings", "500", periodEnd - 1);
  running.simulator.setClock({ now: "2027-01-20T10:00:30Z" });
  const [next] = (await stripe.invoices.list({ status: "draft" })).data;

  expect(await quantities(next?.id ?? "")).toEqual({ readings: "3", sensors: "0" });
});

test("usage in a trial is free, and what comes after it is billed", async () => {
  await stripe.subscriptions.cancel(subscription);
  const { data: prices } = await stripe.prices.list();
  const trialEnd = nowSeconds + 7 * 86_400;
  await stripe.subscriptions.create({
    customer: "cus_1",
    items: prices.map(({ id: price }) => ({ price })),
    trial_end: trialEnd,
  });
  await send("readings", "40", nowSeconds);
  running.simulator.setClock({ now: trialEnd });
  const [ofTrial] = (await stripe.invoices.list({ status: "draft" })).data;
  await send("readings", "2", trialEnd);
  running.simulator.setClock({ now: monthsAfter(trialEnd, 1) });
  const [next] = (await stripe.invoices.list({ status: "draft" })).data;

  expect(await quantities(ofTrial?.id ?? "")).toEqual({ readings: "0", sensors: "0" });
  expect(await quantities(next?.id ?? "")).toEqual({ readings: "2", sensors: "0" });
});

test("a request moves the finalization, again and again while it is a draft", async () => {
  const { id } = await draftOf();
  await stripe.invoices.update(id, { automatically_finalizes_at: periodEnd + 2 * hourSeconds });
  running.simulator.setClock({ now: periodEnd + hourSeconds });
  const held = await stripe.invoices.update(id, {
    automatically_finalizes_at: periodEnd + hourSeconds + 300,
  });
  running.simulator.setClock({ now: periodEnd + hourSeconds + 300 });

  expect(held).toMatchObject({ status: "draft", automatically_finalizes_at: periodEnd + hourSeconds + 300 });
  expect(await stripe.invoices.retrieve(id)).toMatchObject({ status: "paid" });
  await expect(
    stripe.invoices.update(id, { automatically_finalizes_at: periodEnd + 9 * hourSeconds }),
  ).rejects.toMatchObject({ statusCode: 400, code: "invoice_not_editable" });
  expect(updates()).toEqual([
    { automatically_finalizes_at: periodEnd + hourSeconds },
    { automatically_finalizes_at: periodEnd + 2 * hourSeconds },
  ]);
});

test.for([
  ["a time that has passed", { automatically_finalizes_at: periodEnd }],
  [
    "a time more than five years ahead",
    { automatically_finalizes_at: periodEnd + 5 * 366 * 24 * hourSeconds },
  ],
  ["a time without auto_advance", { automatically_finalizes_at: periodEnd + 60, auto_advance: false }],
  ["no number", { automatically_finalizes_at: Number.NaN }],
] as const)("%s is refused as the time of a finalization", async ([, change]) => {
  const { id } = await draftOf();

  await expect(stripe.invoices.update(id, change)).rejects.toMatchObject({
    statusCode: 400,
    param: "automatically_finalizes_at",
  });
  expect(await stripe.invoices.retrieve(id)).toMatchObject({
    automatically_finalizes_at: periodEnd + hourSeconds,
  });
});

test("without auto_advance a draft stays one until it is finalized by request", async () => {
  const { id } = await draftOf();
  const off = await stripe.invoices.update(id, { auto_advance: false });
  running.simulator.setClock({ now: periodEnd + 100 * hourSeconds });
  const draft = await stripe.invoices.retrieve(id);
  await stripe.invoices.finalizeInvoice(id);

  expect([off.automatically_finalizes_at, draft.status]).toEqual([null, "draft"]);
  expect(await stripe.invoices.retrieve(id)).toMatchObject({ status: "open" });
});

test("a draft finalizes by itself while the clock runs", async () => {
  const { id } = await draftOf();
  running.simulator.setClock({ now: periodEnd + hourSeconds - 1, frozen: false });

  await expect.poll(async () => (await stripe.invoices.retrieve(id)).status).toBe("paid");
});

test("an invoice.created that was not taken holds a finalization back for 72 hours, a time of one's own does not", async () => {
  running.simulator.setSettings({ webhook_attempts_max: 1 });
  running.simulator.addWebhookEndpoint({ url: "http://127.0.0.1:1", secrets: ["whsec_one"] });
  const other = await stripe.subscriptions.create({ customer: "cus_1", items: await licensed() });
  const [held, set] = await Promise.all([draftOf(subscription), draftOf(other.id)]);
  await running.simulator.deliveriesSettled();
  await stripe.invoices.update(set.id, { automatically_finalizes_at: periodEnd + 2 * hourSeconds });
  running.simulator.setClock({ now: periodEnd + 71 * hourSeconds });
  const before = await Promise.all([held, set].map(({ id }) => stripe.invoices.retrieve(id)));
  running.simulator.setClock({ now: periodEnd + 72 * hourSeconds });

  expect(before.map(({ status }) => status)).toEqual(["draft", "paid"]);
  expect((await stripe.invoices.retrieve(held.id)).status).toBe("paid");
});

test("the grace period is the account's to set", async () => {
  running.simulator.setSettings({ invoice_grace_seconds: 72 * hourSeconds });

  expect(await draftOf()).toMatchObject({ automatically_finalizes_at: periodEnd + 72 * hourSeconds });
});

test("the lines come in pages, each with its price", async () => {
  const { id } = await draftOf();
  const first = await stripe.invoices.listLineItems(id, { limit: 1 });
  const last = await stripe.invoices.listLineItems(id, {
    limit: 1,
    starting_after: first.data[0]?.id ?? "",
  });

  expect([first.has_more, last.has_more]).toEqual([true, false]);
  expect([...first.data, ...last.data].map(({ period }) => period)).toEqual([
    { start: nowSeconds, end: periodEnd },
    { start: nowSeconds, end: periodEnd },
  ]);
});

test("a negative total of a period bills as 0, and fractions are kept in quantity_decimal", async () => {
  await send("readings", "-5", nowSeconds);
  await send("sensors", "2.5", nowSeconds);
  const { id } = await draftOf();
  const { data } = await stripe.invoices.listLineItems(id);

  expect(await quantities(id)).toEqual({ readings: "0", sensors: "2.5" });
  expect(new Map(data.map(({ quantity, amount }) => [quantity, amount]))).toEqual(
    new Map([
      [0, 0],
      [2, 5],
    ]),
  );
});

test("a restricted key may read invoices and not write them", async () => {
  const { id } = await draftOf();
  running.simulator.setKey("rk_test_reader", "active", { invoices: "read", billing: "none" });
  const reader = stripeWith("rk_test_reader");

  expect(await reader.invoices.retrieve(id)).toMatchObject({ status: "draft" });
  await expect(
    reader.invoices.update(id, { automatically_finalizes_at: periodEnd + 2 * hourSeconds }),
  ).rejects.toMatchObject({ statusCode: 403 });
  await expect(reader.invoices.update("in_none", {})).rejects.toMatchObject({ statusCode: 403 });
  await expect(reader.billing.meters.list()).rejects.toMatchObject({ statusCode: 403 });
});

test("a list of invoices takes a customer and a time of creation, and refuses a customer that is unknown", async () => {
  const draft = await draftOf();
  const idsSince = async (gte: number) => {
    const { data } = await stripe.invoices.list({ customer: "cus_1", created: { gte } });
    return data.map(({ id }) => id);
  };

  expect(await idsSince(draft.created)).toEqual([draft.id]);
  expect(await idsSince(draft.created + 1)).toEqual([]);
  await expect(stripe.invoices.list({ customer: "cus_other" })).rejects.toMatchObject({
    statusCode: 400,
    code: "resource_missing",
    param: "customer",
  });
});

function stripeWith(key: string): Stripe {
  const { host, port } = running;
  return new Stripe(key, { host, port, protocol: "http", maxNetworkRetries: 0 });
}

/** Lets the period end; answers with the draft of a subscription. */
async function draftOf(id = subscription): Promise<Stripe.Invoice> {
  running.simulator.setClock({ now: periodEnd });
  const { data } = await stripe.invoices.list({ subscription: id, status: "draft" });
  const [draft] = data;
  if (draft === undefined) throw new Error("There is no draft.");
  return draft;
}

async function licensed(): Promise<{ price: string }[]> {
  return [{ price: await makePrice(stripe) }];
}

async function send(eventName: string, value: string, timestamp: number): Promise<void> {
  await stripe.billing.meterEvents.create({
    event_name: eventName,
    payload: { stripe_customer_id: "cus_1", value },
    timestamp,
  });
}

/** The billed quantities of an invoice, by the event name of the meter behind each line's price. */
async function quantities(invoice: string): Promise<Record<string, string>> {
  const { data } = await stripe.invoices.listLineItems(invoice);
  const billed = await Promise.all(
    data.map(async ({ pricing, quantity_decimal }) => {
      const id = pricing?.price_details?.price;
      const price = typeof id === "string" ? await stripe.prices.retrieve(id) : undefined;
      const meter = await stripe.billing.meters.retrieve(price?.recurring?.meter ?? "");
      return [meter.event_name, String(quantity_decimal)];
    }),
  );
  return Object.fromEntries(billed);
}

function updates(): unknown[] {
  return running.simulator
    .events()
    .filter(({ type }) => type === "invoice.updated")
    .map(({ data }) => (data as Stripe.InvoiceUpdatedEvent["data"]).previous_attributes);
}
