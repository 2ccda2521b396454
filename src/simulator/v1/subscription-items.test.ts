import { Stripe } from "stripe";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startSimulator, type RunningSimulator } from "../start-simulator.ts";
import { makePrice } from "./make-price.ts";

const nowSeconds = Date.parse("2026-11-20T10:00:00Z") / 1000;

let running: RunningSimulator;
let stripe: Stripe;
let meters: { readings: string; sensors: string };
let readings: string;
let sensors: string;

beforeEach(async () => {
  running = await startSimulator({ customers: ["cus_1"] });
  running.simulator.setClock({ now: nowSeconds, frozen: true });
  const { host, port } = running;
  stripe = new Stripe("sk_test_x", { host, port, protocol: "http", maxNetworkRetries: 0 });
  meters = { readings: await makeMeter("sum"), sensors: await makeMeter("last") };
  readings = await makePrice(stripe, meters.readings);
  sensors = await makePrice(stripe, meters.sensors);
});

afterEach(() => running.stop());

test("every item has its price in full, with the meter that counts it", async () => {
  const licensed = await makePrice(stripe);
  const { id } = await subscribe([{ price: readings }, { price: sensors }, { price: licensed, quantity: 3 }]);
  const { data } = await stripe.subscriptions.list({ customer: "cus_1", status: "all" });
  const items = data[0]?.items.data ?? [];

  expect(data.map((subscription) => subscription.id)).toEqual([id]);
  expect(items.map(({ price }) => price.recurring?.meter)).toEqual([meters.readings, meters.sensors, null]);
  expect(items.map(({ quantity }) => quantity)).toEqual([undefined, undefined, 3]);
  expect(items[0]?.price).toEqual(await stripe.prices.retrieve(readings));
});

test("an item changes its price, one is added, and one is deleted", async () => {
  const subscription = await subscribe([{ price: readings }, { price: sensors }]);
  const [first, second] = subscription.items.data;
  const other = await makePrice(stripe, meters.readings);
  const licensed = await makePrice(stripe);
  const { items } = await stripe.subscriptions.update(subscription.id, {
    items: [
      { id: first?.id ?? "", price: other },
      { id: second?.id ?? "", deleted: true },
      { price: licensed },
    ],
  });

  expect(items.data.map(({ price }) => price.id)).toEqual([other, licensed]);
  expect(items.data[0]?.id).toBe(first?.id);
});

test("a price for a year makes a period of a year", async () => {
  const { id: yearly } = await stripe.prices.create({
    currency: "usd",
    unit_amount: 900,
    product_data: { name: "Support" },
    recurring: { interval: "year" },
  });
  const { items } = await subscribe([{ price: yearly }]);

  expect(items.data[0]?.current_period_end).toBe(Date.parse("2027-11-20T10:00:00Z") / 1000);
});

test.each([
  ["a price that is not there", () => [{ price: "price_0" }], "items[0][price]"],
  ["a quantity of a metered price", () => [{ price: readings, quantity: 1 }], "items[0][quantity]"],
  ["the same price twice", () => [{ price: readings }, { price: readings }], "items"],
])("%s is refused", async (_, items, param) => {
  await expect(subscribe(items())).rejects.toMatchObject({ statusCode: 400, param });
});

test("neither a one-time price, nor an inactive one, nor one of an inactive product can be subscribed to", async () => {
  const once = await stripe.prices.create({
    currency: "usd",
    unit_amount: 1,
    product_data: { name: "Once" },
  });
  await stripe.prices.update(readings, { active: false });
  const { product } = await stripe.prices.retrieve(sensors);
  await stripe.products.update(typeof product === "string" ? product : product.id, { active: false });

  for (const price of [once.id, readings, sensors]) {
    await expect(subscribe([{ price }])).rejects.toMatchObject({ param: "items[0][price]" });
  }
});

test("the last item cannot be deleted, nor one of another subscription", async () => {
  const { id, items } = await subscribe([{ price: readings }]);
  const other = await subscribe([{ price: sensors }]);

  for (const item of [items.data[0]?.id, other.items.data[0]?.id]) {
    const change = stripe.subscriptions.update(id, { items: [{ id: item ?? "", deleted: true }] });
    await expect(change).rejects.toMatchObject({ statusCode: 400 });
  }
});

test("subscriptions are listed page by page, the newest first", async () => {
  const made: string[] = [];
  for (let count = 0; count < 5; count += 1) made.push((await subscribe([{ price: readings }])).id);
  const listed: string[] = [];
  for await (const { id } of stripe.subscriptions.list({ customer: "cus_1", status: "all", limit: 2 })) {
    listed.push(id);
  }

  expect(listed).toEqual(made.toReversed());
});

test("a list knows Stripe's words and the account's customers only", async () => {
  const word = stripe.subscriptions.list({ status: "running" as "active" });
  await expect(word).rejects.toMatchObject({ statusCode: 400, param: "status" });
  const customer = stripe.subscriptions.list({ customer: "cus_none" });
  await expect(customer).rejects.toMatchObject({ statusCode: 400, code: "resource_missing" });
});

test("subscriptions are listed by a price", async () => {
  const { id } = await subscribe([{ price: readings }, { price: sensors }]);
  await subscribe([{ price: readings }]);

  expect((await stripe.subscriptions.list({ price: sensors })).data.map((one) => one.id)).toEqual([id]);
});

test.each([
  ["a metered price with a quantity", () => ({ price: readings, quantity: 1 }), "line_items[0][quantity]"],
  ["a price that is not there", () => ({ price: "price_0" }), "line_items[0][price]"],
])("Checkout refuses %s", async (_, line, param) => {
  const opened = stripe.checkout.sessions.create({
    mode: "subscription",
    success_url: "https://example.com",
    line_items: [line()],
  });
  await expect(opened).rejects.toMatchObject({ statusCode: 400, param });
});

function subscribe(items: Stripe.SubscriptionCreateParams.Item[]): Promise<Stripe.Subscription> {
  return stripe.subscriptions.create({ customer: "cus_1", items });
}

async function makeMeter(formula: "sum" | "last"): Promise<string> {
  const { id } = await stripe.billing.meters.create({
    display_name: formula,
    event_name: formula,
    default_aggregation: { formula },
  });
  return id;
}
