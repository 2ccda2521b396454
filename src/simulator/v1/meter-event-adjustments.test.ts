import { Stripe } from "stripe";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startSimulator, type RunningSimulator } from "../start-simulator.ts";

let running: RunningSimulator;
let stripe: Stripe;

beforeEach(async () => {
  running = await startSimulator({
    meters: [{ event_name: "readings", formula: "sum" }],
    customers: ["cus_1"],
  });
  running.simulator.setClock({ now: "2026-11-20T10:00:00Z", frozen: true });
  const { host, port } = running;
  stripe = new Stripe("sk_test_x", { host, port, protocol: "http", maxNetworkRetries: 0 });
  const payload = { stripe_customer_id: "cus_1", value: "5" };
  await stripe.billing.meterEvents.create({ event_name: "readings", payload, identifier: "id-1" });
});

afterEach(() => running.stop());

test("a cancelled event is out of the totals", async () => {
  const adjustment = await cancel("id-1");

  expect(adjustment).toMatchObject({
    object: "billing.meter_event_adjustment",
    status: "pending",
    type: "cancel",
    cancel: { identifier: "id-1" },
  });
  expect(running.simulator.bill()).toEqual([]);
  expect(running.simulator.meterEvents()).toMatchObject([{ identifier: "id-1", cancelled: true }]);
});

test("an event cannot be cancelled once 24 hours have passed since it was received", async () => {
  running.simulator.setClock({ advance_seconds: 86_401 });

  await expect(cancel("id-1")).rejects.toMatchObject({ statusCode: 400 });
  expect(running.simulator.bill()).toMatchObject([{ total: "5" }]);
});

test("an event that never came cannot be cancelled", async () => {
  await expect(cancel("id-2")).rejects.toMatchObject({ statusCode: 400 });
});

function cancel(identifier: string) {
  return stripe.billing.meterEventAdjustments.create({
    event_name: "readings",
    type: "cancel",
    cancel: { identifier },
  });
}
