import { Stripe } from "stripe";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startSimulator, type RunningSimulator } from "../start-simulator.ts";
import { makePrice } from "./make-price.ts";

const nowSeconds = Date.parse("2026-11-20T10:00:00Z") / 1000;
const nextMonth = Date.parse("2026-12-20T10:00:00Z") / 1000;
const day = 86_400;

let running: RunningSimulator;
let stripe: Stripe;
let price: string;

beforeEach(async () => {
  running = await startSimulator({ customers: ["cus_1", "cus_2"] });
  running.simulator.setClock({ now: nowSeconds, frozen: true });
  const { host, port } = running;
  stripe = new Stripe("sk_test_x", { host, port, protocol: "http", maxNetworkRetries: 0 });
  price = await makePrice(stripe);
});

afterEach(() => running.stop());

test("a subscription is active for a month, and the period is on its items", async () => {
  const subscription = await subscribe();

  expect(subscription).toMatchObject({ object: "subscription", status: "active", customer: "cus_1" });
  expect(subscription).not.toHaveProperty("current_period_start");
  expect(subscription.items.data).toMatchObject([
    {
      object: "subscription_item",
      price: { id: price },
      current_period_start: nowSeconds,
      current_period_end: nextMonth,
    },
  ]);
});

test("a subscription may begin in the past, and only there", async () => {
  const { start_date, created } = await subscribe({ backdate_start_date: nowSeconds - 10 * day });
  const refused = subscribe({ backdate_start_date: nowSeconds + 1 });

  expect([start_date, created]).toEqual([nowSeconds - 10 * day, nowSeconds]);
  await expect(refused).rejects.toMatchObject({ param: "backdate_start_date" });
});

test("the period rolls on with the clock", async () => {
  const { id } = await subscribe();
  running.simulator.setClock({ now: nextMonth });
  const { items } = await stripe.subscriptions.retrieve(id);

  expect(items.data[0]).toMatchObject({
    current_period_start: nextMonth,
    current_period_end: Date.parse("2027-01-20T10:00:00Z") / 1000,
  });
});

test("a trial is `trialing` until it ends, then active", async () => {
  const { id, status } = await subscribe({ trial_period_days: 7 });
  running.simulator.setClock({ advance_seconds: 7 * day });

  expect(status).toBe("trialing");
  expect(await stripe.subscriptions.retrieve(id)).toMatchObject({
    status: "active",
    items: { data: [{ current_period_start: nowSeconds + 7 * day }] },
  });
});

test("a trial can be ended at once", async () => {
  const { id } = await subscribe({ trial_end: nowSeconds + day });

  expect(await stripe.subscriptions.update(id, { trial_end: "now" })).toMatchObject({ status: "active" });
});

test("cancelled at the period's end it stays active until then", async () => {
  const { id } = await subscribe();
  const updated = await stripe.subscriptions.update(id, { cancel_at_period_end: true });
  running.simulator.setClock({ now: nextMonth });

  expect(updated).toMatchObject({ status: "active", cancel_at: nextMonth });
  expect(await stripe.subscriptions.retrieve(id)).toMatchObject({ status: "canceled", ended_at: nextMonth });
});

test("cancelled at once it is `canceled`", async () => {
  const { id } = await subscribe();

  expect(await stripe.subscriptions.cancel(id)).toMatchObject({ status: "canceled", ended_at: nowSeconds });
});

test("metadata is merged, and an empty value removes its key", async () => {
  const { id } = await subscribe({ metadata: { a: "1", b: "2" } });
  const updated = await stripe.subscriptions.update(id, { metadata: { b: "", c: "3" } });

  expect(updated.metadata).toEqual({ a: "1", c: "3" });
});

test("canceled subscriptions are listed only when asked for", async () => {
  const kept = await subscribe();
  const canceled = await subscribe();
  await stripe.subscriptions.cancel(canceled.id);

  expect(await idsOf({ customer: "cus_1" })).toEqual([kept.id]);
  expect(await idsOf({ status: "all" })).toEqual([canceled.id, kept.id]);
  expect(await idsOf({ status: "ended" })).toEqual([canceled.id]);
  expect(await idsOf({ status: "active", customer: "cus_2" })).toEqual([]);
});

test("a subscription needs a customer that exists, and an item", async () => {
  await expect(subscribe({ customer: "cus_none" })).rejects.toMatchObject({ code: "resource_missing" });
  await expect(subscribe({ items: [] })).rejects.toMatchObject({ param: "items" });
});

test("status and period can be set by hand, and then stay", async () => {
  const { id } = await subscribe();
  await fetch(`${running.url}/_simulator/subscriptions/${id}`, {
    method: "POST",
    body: JSON.stringify({
      status: "past_due",
      current_period_start: nowSeconds - day,
      current_period_end: nowSeconds,
    }),
  });
  running.simulator.setClock({ advance_seconds: day });

  expect(await stripe.subscriptions.retrieve(id)).toMatchObject({
    status: "past_due",
    items: { data: [{ current_period_start: nowSeconds - day, current_period_end: nowSeconds }] },
  });
});

function subscribe(override: Stripe.SubscriptionCreateParams = {}) {
  return stripe.subscriptions.create({ customer: "cus_1", items: [{ price }], ...override });
}

async function idsOf(params: Stripe.SubscriptionListParams): Promise<string[]> {
  const { data } = await stripe.subscriptions.list(params);
  return data.map(({ id }) => id);
}
