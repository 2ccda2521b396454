import { Stripe } from "stripe";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startSimulator, type RunningSimulator } from "../start-simulator.ts";

let running: RunningSimulator;
let stripe: Stripe;
let meter: string;

beforeEach(async () => {
  running = await startSimulator();
  const { host, port } = running;
  stripe = new Stripe("sk_test_x", { host, port, protocol: "http", maxNetworkRetries: 0 });
  const made = await stripe.billing.meters.create({
    display_name: "Readings",
    event_name: "readings",
    default_aggregation: { formula: "sum" },
  });
  meter = made.id;
});

afterEach(() => running.stop());

test("a metered price names its meter and its product, as it does in every answer", async () => {
  const product = await stripe.products.create({ name: "Monitoring" });
  const price = await metered({ product: product.id, product_data: undefined });

  expect(price).toMatchObject({
    object: "price",
    active: true,
    type: "recurring",
    product: product.id,
    unit_amount: 2,
    unit_amount_decimal: Stripe.Decimal.from("2"),
    recurring: { interval: "month", interval_count: 1, usage_type: "metered", meter },
  });
  expect(await stripe.prices.retrieve(price.id)).toEqual(price);
});

test("amounts below a cent are decimals", async () => {
  const price = await metered({ unit_amount: undefined, unit_amount_decimal: Stripe.Decimal.from("0.05") });

  expect(price.unit_amount).toBeNull();
  expect(price.unit_amount_decimal?.toString()).toBe("0.05");
});

test("a deactivated meter cannot be attached to a price", async () => {
  await stripe.billing.meters.deactivate(meter);

  await expect(metered()).rejects.toMatchObject({ statusCode: 400, param: "recurring[meter]" });
});

test.each([
  ["a metered price without a meter", { interval: "month", usage_type: "metered" }, "recurring[meter]"],
  [
    "a meter that is not there",
    { interval: "month", usage_type: "metered", meter: "mtr_0" },
    "recurring[meter]",
  ],
  ["a meter on a licensed price", { interval: "month", meter: "mtr_0" }, "recurring[meter]"],
  ["an interval that is none", { interval: "hour" }, "recurring[interval]"],
  ["more than three years", { interval: "month", interval_count: 37 }, "recurring[interval_count]"],
] as [string, Stripe.PriceCreateParams.Recurring, string][])("%s is refused", async (_, recurring, param) => {
  await expect(metered({ recurring })).rejects.toMatchObject({ statusCode: 400, param });
});

test("neither amount nor meter of a price can be changed, and no price is deleted", async () => {
  const { id } = await metered();
  const change = { recurring: { interval: "year" } } as Stripe.PriceUpdateParams;

  await expect(stripe.prices.update(id, change)).rejects.toMatchObject({ statusCode: 400 });
  const url = `${running.url}/v1/prices/${id}`;
  const deletion = await fetch(url, { method: "DELETE", headers: { Authorization: "Bearer sk_test_x" } });
  expect(deletion.status).toBe(404);
});

test("a lookup key belongs to one price, and can be handed on", async () => {
  const first = await metered({ lookup_key: "readings" });
  await expect(metered({ lookup_key: "readings" })).rejects.toMatchObject({ param: "lookup_key" });
  const second = await metered({ lookup_key: "readings", transfer_lookup_key: true });

  expect((await stripe.prices.list({ lookup_keys: ["readings"] })).data).toEqual([second]);
  expect((await stripe.prices.retrieve(first.id)).lookup_key).toBeNull();
});

test("prices are listed by what they are made of, the newest first", async () => {
  const first = await metered();
  const second = await metered();
  const { id: licensed } = await stripe.prices.create({
    currency: "usd",
    unit_amount: 900,
    product_data: { name: "Support" },
    recurring: { interval: "year" },
  });
  await stripe.prices.update(first.id, { active: false });

  expect(await listed()).toEqual([licensed, second.id, first.id]);
  expect(await listed({ recurring: { meter } })).toEqual([second.id, first.id]);
  expect(await listed({ recurring: { meter }, active: true })).toEqual([second.id]);
  expect(await listed({ product: idOf(second.product) })).toEqual([second.id]);
});

test("a product with a price cannot be deleted", async () => {
  const { product } = await metered();

  await expect(stripe.products.del(idOf(product))).rejects.toMatchObject({ statusCode: 400 });
  const { id } = await stripe.products.create({ name: "Empty" });
  expect(await stripe.products.del(id)).toMatchObject({ deleted: true });
});

type Override = { [Name in keyof Stripe.PriceCreateParams]?: Stripe.PriceCreateParams[Name] | undefined };

function metered(override: Override = {}): Promise<Stripe.Price> {
  return stripe.prices.create({
    currency: "usd",
    unit_amount: 2,
    product_data: { name: "Monitoring" },
    recurring: { interval: "month", usage_type: "metered", meter },
    ...override,
  } as Stripe.PriceCreateParams);
}

function idOf(product: Stripe.Price["product"]): string {
  return typeof product === "string" ? product : product.id;
}

async function listed(params: Stripe.PriceListParams = {}): Promise<string[]> {
  return (await stripe.prices.list(params)).data.map(({ id }) => id);
}
