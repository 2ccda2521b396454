import { Stripe } from "stripe";
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { startSimulator, type RunningSimulator } from "../start-simulator.ts";

const nowSeconds = "2026-11-20T10:00:00.000Z";

let running: RunningSimulator;
let stripe: Stripe;

beforeEach(async () => {
  running = await startSimulator({
    meters: [
      { event_name: "readings", formula: "sum" },
      { event_name: "archived", formula: "sum" },
    ],
    customers: ["cus_1"],
  });
  running.simulator.setClock({ now: nowSeconds, frozen: true });
  const { host, port } = running;
  stripe = new Stripe("sk_test_x", { host, port, protocol: "http", maxNetworkRetries: 0 });
  const { data } = await stripe.billing.meters.list();
  const archived = data.find((meter) => meter.event_name === "archived");
  await stripe.billing.meters.deactivate(archived?.id ?? "");
});

afterEach(() => running.stop());

test("an accepted event comes back with RFC 3339 times", async () => {
  const event = await send({ identifier: "id-1", timestamp: "2026-11-20T10:30:00+01:00" });

  expect(event).toMatchObject({
    object: "v2.billing.meter_event",
    created: nowSeconds,
    identifier: "id-1",
    timestamp: "2026-11-20T09:30:00.000Z",
  });
  expect(running.simulator.bill()).toMatchObject([{ total: "5" }]);
});

test.each([
  ["no_meter", { event_name: "unknown" }],
  ["archived_meter", { event_name: "archived" }],
  ["payload_no_customer_defined", { payload: { value: "5" } }],
  ["payload_no_value_defined", { payload: { stripe_customer_id: "cus_1" } }],
  ["payload_invalid_value", { payload: { stripe_customer_id: "cus_1", value: "-5" } }],
  ["payload_invalid_value", { payload: { stripe_customer_id: "cus_1", value: "0" } }],
  ["payload_invalid_value", { payload: { stripe_customer_id: "cus_1", value: "0.5" } }],
])("the code %s is told at once for %j", async (code, override) => {
  await expect(send(override)).rejects.toMatchObject({ statusCode: 400, code, rawType: undefined });
});

test("a duplicate is told by its code", async () => {
  await send({ identifier: "id-1" });

  await expect(send({ identifier: "id-1" })).rejects.toMatchObject({
    statusCode: 400,
    code: "duplicate_meter_event",
  });
});

test("decimals and negatives can be switched on, as sources conflict", async () => {
  running.simulator.setSettings({ v2_values: "decimal" });
  await send({ payload: { stripe_customer_id: "cus_1", value: "-0.5" } });

  expect(running.simulator.bill()).toMatchObject([{ total: "-0.5" }]);
});

test.each([
  ["timestamp_too_far_in_past", { timestamp: "2026-10-01T00:00:00Z" }],
  ["timestamp_in_future", { timestamp: "2026-11-20T11:00:00Z" }],
  ["meter_event_customer_not_found", { payload: { stripe_customer_id: "cus_none", value: "5" } }],
])("%s is told later", async (code, override) => {
  await send(override);

  expect(running.simulator.asyncErrors()).toMatchObject([{ code, api: "v2" }]);
  expect(running.simulator.meterEvents()).toEqual([]);
});

test("a timestamp in unix seconds is refused, which is what a Date becomes in the SDK", async () => {
  await expect(send({ timestamp: "1795168800" })).rejects.toMatchObject({ statusCode: 400 });
});

test("a number in the payload is refused", async () => {
  const response = await fetch(`${running.url}/v2/billing/meter_events`, {
    method: "POST",
    headers: { Authorization: "Bearer sk_test_x", "Content-Type": "application/json" },
    body: JSON.stringify({ event_name: "readings", payload: { stripe_customer_id: "cus_1", value: 5 } }),
  });

  expect(response.status).toBe(400);
});

test("of two requests in parallel for a customer and meter the second gets too_many_concurrent_requests", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  running.simulator.addFault({ kind: "latency", ms: 600_000 });
  const ending = Promise.allSettled([send({}), send({})]);
  await expect.poll(() => running.simulator.requests().max_in_flight[0]?.max).toBe(2);
  vi.advanceTimersByTime(600_000);
  const outcomes = await ending;

  expect(outcomes.find(({ status }) => status === "rejected")).toMatchObject({
    reason: { statusCode: 409, code: "too_many_concurrent_requests" },
  });
});

function send(override: Partial<Parameters<typeof stripe.v2.billing.meterEvents.create>[0]>) {
  return stripe.v2.billing.meterEvents.create({
    event_name: "readings",
    payload: { stripe_customer_id: "cus_1", value: "5" },
    ...override,
  });
}
