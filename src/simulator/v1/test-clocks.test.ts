import { Stripe } from "stripe";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startSimulator, type RunningSimulator } from "../start-simulator.ts";
import { makePrice } from "./make-price.ts";

const nowSeconds = Date.parse("2026-11-20T10:00:00Z") / 1000;
const nextMonth = Date.parse("2026-12-20T10:00:00Z") / 1000;

let running: RunningSimulator;
let stripe: Stripe;

beforeEach(async () => {
  running = await startSimulator({ customers: ["cus_1"] });
  running.simulator.setClock({ now: nowSeconds, frozen: true });
  const { host, port } = running;
  stripe = new Stripe("sk_test_x", { host, port, protocol: "http", maxNetworkRetries: 0 });
});

afterEach(() => running.stop());

test("a customer with a test clock lives by it, and its invoice is seen at once", async () => {
  const clock = await stripe.testHelpers.testClocks.create({ frozen_time: nowSeconds });
  const { id: customer } = await stripe.customers.create({ test_clock: clock.id });
  const items = [{ price: await makePrice(stripe) }];
  const { id } = await stripe.subscriptions.create({ customer, items });
  const other = await stripe.subscriptions.create({ customer: "cus_1", items });
  await stripe.testHelpers.testClocks.advance(clock.id, { frozen_time: nextMonth + 60 });
  const drafts = await stripe.invoices.list({ customer });
  await stripe.testHelpers.testClocks.advance(clock.id, { frozen_time: nextMonth + 7_200 });
  const paid = await stripe.invoices.list({ customer, subscription: id });

  expect(drafts.data).toMatchObject([
    {
      status: "draft",
      billing_reason: "subscription_cycle",
      period_start: nowSeconds,
      period_end: nextMonth,
    },
  ]);
  expect(paid.data).toMatchObject([{ status: "paid" }]);
  expect((await stripe.subscriptions.retrieve(id)).items.data[0]?.current_period_start).toBe(nextMonth);
  expect((await stripe.subscriptions.retrieve(other.id)).items.data[0]?.current_period_start).toBe(
    nowSeconds,
  );
});

test("a test clock goes forwards only, and is none of live mode", async () => {
  const { host, port } = running;
  const live = new Stripe("sk_live_x", { host, port, protocol: "http", maxNetworkRetries: 0 });
  const { id } = await stripe.testHelpers.testClocks.create({ frozen_time: nowSeconds });

  await expect(stripe.testHelpers.testClocks.advance(id, { frozen_time: nowSeconds })).rejects.toMatchObject({
    param: "frozen_time",
  });
  await expect(live.testHelpers.testClocks.create({ frozen_time: nowSeconds })).rejects.toMatchObject({
    statusCode: 400,
  });
  await expect(stripe.customers.create({ test_clock: "clock_0" })).rejects.toMatchObject({
    param: "test_clock",
  });
});
