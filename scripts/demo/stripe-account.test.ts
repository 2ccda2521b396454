import { Stripe } from "stripe";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type RunningSimulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { openStripeAccount, type StripeAccount } from "./stripe-account.ts";
import { simulatorAt } from "./stripe-side.ts";

let running: RunningSimulator;
let account: StripeAccount;
let customer: string;
const startedAt = new Date();

beforeEach(async () => {
  running = await startSimulator();
  account = await openStripeAccount(simulatorAt(running.url));
  customer = await account.createCustomer("Alpine Dairy");
});

afterEach(async () => running.stop());

test("readings are billed by their sum, sensors by the last count", async () => {
  for (const value of ["3", "4"]) {
    await send("temperature_readings", value);
    await send("active_sensors", value);
  }

  expect(await account.readBilled("temperature_readings", customer, startedAt)).toBe(7n);
  expect(await account.readBilled("active_sensors", customer, startedAt)).toBe(4n);
});

test("a customer without usage is billed nothing", async () => {
  expect(await account.readBilled("active_sensors", customer, startedAt)).toBe(0n);
});

async function send(eventName: string, value: string): Promise<void> {
  const { host, port } = running;
  const stripe = new Stripe("sk_test_x", { host, port, protocol: "http" });
  await stripe.billing.meterEvents.create({
    event_name: eventName,
    payload: { stripe_customer_id: customer, value },
  });
}
