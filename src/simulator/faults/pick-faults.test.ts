import { Stripe } from "stripe";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startSimulator, type RunningSimulator } from "../start-simulator.ts";

let running: RunningSimulator;
let stripe: Stripe;

beforeEach(async () => {
  running = await startSimulator({
    meters: [
      { event_name: "readings", formula: "sum" },
      { event_name: "sensors", formula: "last" },
    ],
    customers: ["cus_1", "cus_2"],
  });
  const { host, port } = running;
  stripe = new Stripe("sk_test_x", { host, port, protocol: "http", maxNetworkRetries: 0 });
});

afterEach(() => running.stop());

test("a fault strikes only the customer, the meter and the path that it names", async () => {
  running.simulator.addFault({ kind: "status", status: 500, customer: "cus_2" });
  running.simulator.addFault({ kind: "status", status: 500, meter: "sensors" });
  running.simulator.addFault({ kind: "status", status: 500, path: "/v1/customers" });
  await send("id-1");

  await expect(stripe.billing.meterEvents.create(reading("id-2", "cus_2"))).rejects.toThrow("simulated");
  await expect(
    stripe.billing.meterEvents.create({ ...reading("id-3"), event_name: "sensors" }),
  ).rejects.toThrow("simulated");
  await expect(stripe.customers.list()).rejects.toThrow("simulated");
});

test("a fault with `times` strikes that often and then no more", async () => {
  running.simulator.addFault({ kind: "status", status: 500, times: 2 });
  const outcomes: string[] = [];
  for (let request = 0; request < 4; request += 1) outcomes.push(await outcomeOf(`id-${request}`));

  expect(outcomes).toEqual(["refused", "refused", "sent", "sent"]);
});

test("a rate strikes the same requests again after the same seed", async () => {
  running.simulator.addFault({ kind: "status", status: 500, rate: 0.5 });
  const runs: string[] = [];
  for (const run of ["first", "second"]) {
    await fetch(`${running.url}/_simulator/seed`, { method: "POST", body: '{"seed": 42}' });
    const outcomes: string[] = [];
    for (let request = 0; request < 20; request += 1) outcomes.push(await outcomeOf(`${run}-${request}`));
    runs.push(outcomes.join());
  }

  expect(runs[0]).toBe(runs[1]);
  expect(runs[0]).toContain("sent");
  expect(runs[0]).toContain("refused");
});

function reading(identifier: string, customer = "cus_1") {
  return { event_name: "readings", payload: { stripe_customer_id: customer, value: "5" }, identifier };
}

function send(identifier: string, options: Stripe.RequestOptions = {}) {
  return stripe.billing.meterEvents.create(reading(identifier), options);
}

function outcomeOf(identifier: string): Promise<string> {
  return send(identifier).then(
    () => "sent",
    () => "refused",
  );
}
