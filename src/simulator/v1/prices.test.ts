import { Stripe } from "stripe";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startSimulator, type RunningSimulator } from "../start-simulator.ts";

let running: RunningSimulator;
let stripe: Stripe;

beforeEach(async () => {
  running = await startSimulator({ customers: ["cus_1"] });
  const { host, port } = running;
  stripe = new Stripe("sk_test_x", { host, port, protocol: "http", maxNetworkRetries: 0 });
});

afterEach(() => running.stop());

test("a metered price names its meter, and so does the item of a subscription that has it", async () => {
  const meter = await addMeter();
  const price = await addPrice({ meter, usage_type: "metered" });
  const subscription = await stripe.subscriptions.create({
    customer: "cus_1",
    items: [{ price: price.id }, { price: "price_of_others" }],
  });

  expect(price).toMatchObject({ object: "price", recurring: { meter, usage_type: "metered" } });
  expect(await stripe.prices.retrieve(price.id)).toEqual(price);
  const { data } = await stripe.subscriptions.list({ customer: "cus_1", status: "all" });
  expect(data[0]?.id).toBe(subscription.id);
  expect(data[0]?.items.data).toMatchObject([
    { price: { id: price.id, recurring: { meter, usage_type: "metered" } } },
    { price: { id: "price_of_others", recurring: { meter: null, usage_type: "licensed" } } },
  ]);
});

test.each([
  [{ usage_type: "metered" as const }],
  [{ meter: "mtr_none", usage_type: "metered" as const }],
  [{ meter: "mtr_none" }],
])("a price of %j is refused", async (recurring) => {
  await expect(addPrice(recurring)).rejects.toMatchObject({ param: "recurring[meter]" });
});

async function addMeter(): Promise<string> {
  const { id } = await stripe.billing.meters.create({
    display_name: "Readings",
    event_name: "readings",
    default_aggregation: { formula: "sum" },
  });
  return id;
}

function addPrice(recurring: Partial<Stripe.PriceCreateParams.Recurring>) {
  return stripe.prices.create({
    currency: "usd",
    unit_amount: 5,
    product_data: { name: "Readings" },
    recurring: { interval: "month", ...recurring },
  });
}
