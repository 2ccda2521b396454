import { Stripe } from "stripe";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startSimulator, type RunningSimulator } from "../start-simulator.ts";

const nowSeconds = Date.parse("2026-11-20T10:00:00Z") / 1000;
const day = 86_400;

let running: RunningSimulator;
let stripe: Stripe;

beforeEach(async () => {
  running = await startSimulator({
    meters: [{ event_name: "readings", formula: "sum" }],
    customers: ["cus_1", "cus_2"],
  });
  running.simulator.setClock({ now: nowSeconds, frozen: true });
  stripe = clientOf("sk_test_x");
});

afterEach(() => running.stop());

test("an accepted meter event comes back whole and is counted once", async () => {
  const event = await stripe.billing.meterEvents.create({
    ...reading("5"),
    identifier: "id-1",
    timestamp: nowSeconds - 60,
  });

  expect(event).toMatchObject({
    object: "billing.meter_event",
    created: nowSeconds,
    event_name: "readings",
    identifier: "id-1",
    livemode: false,
    payload: { stripe_customer_id: "cus_1", value: "5" },
    timestamp: nowSeconds - 60,
  });
  expect(running.simulator.bill()).toEqual([
    { customer: "cus_1", event_name: "readings", aggregation: "sum", total: "5", counts: 1 },
  ]);
});

test("without an identifier and a timestamp both are made up", async () => {
  const event = await stripe.billing.meterEvents.create(reading("5"));

  expect(event.identifier).toMatch(/^[\da-f-]{36}$/);
  expect(event.timestamp).toBe(nowSeconds);
});

test("every answer carries a request id, refusals included", async () => {
  const event = await stripe.billing.meterEvents.create(reading("5"));
  const error = await refusalOf(stripe.billing.meterEvents.create(reading("no number")));

  expect(event.lastResponse.requestId).toMatch(/^req_/);
  expect(error.requestId).toMatch(/^req_/);
});

test("livemode follows the key's prefix", async () => {
  const event = await clientOf("rk_live_x").billing.meterEvents.create(reading("5"));

  expect(event.livemode).toBe(true);
});

test("a JSON body is refused", async () => {
  const response = await fetch(`${running.url}/v1/billing/meter_events`, {
    method: "POST",
    headers: { Authorization: "Bearer sk_test_x", "Content-Type": "application/json" },
    body: JSON.stringify(reading("5")),
  });

  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ error: { type: "invalid_request_error" } });
  expect(running.simulator.meterEvents()).toEqual([]);
});

test("a request without a key is refused with 401 in Stripe's envelope", async () => {
  const response = await fetch(`${running.url}/v1/billing/meter_events`, { method: "POST" });

  expect(response.status).toBe(401);
  expect(await response.json()).toMatchObject({ error: { type: "invalid_request_error" } });
});

test("a key that is none of Stripe's is refused with 401", async () => {
  const error = await refusalOf(clientOf("pk_test_x").billing.meterEvents.create(reading("5")));

  expect(error).toMatchObject({ type: "StripeAuthenticationError", statusCode: 401 });
});

test("a revoked key is refused with 401 and a forbidden one with 403", async () => {
  running.simulator.setKey("sk_test_x", "revoked");
  const revoked = await refusalOf(stripe.billing.meterEvents.create(reading("5")));
  running.simulator.setKey("sk_test_x", "forbidden");
  const forbidden = await refusalOf(stripe.billing.meterEvents.create(reading("5")));

  expect(revoked.type).toBe("StripeAuthenticationError");
  expect(forbidden).toMatchObject({ type: "StripePermissionError", statusCode: 403 });
});

test.each([
  ["no event name", "payload[stripe_customer_id]=cus_1&payload[value]=5"],
  ["no payload", "event_name=readings"],
  ["a payload that is a text", "event_name=readings&payload=5"],
  ["no customer", "event_name=readings&payload[value]=5"],
  ["no value", "event_name=readings&payload[stripe_customer_id]=cus_1"],
  ["a nested payload", "event_name=readings&payload[stripe_customer_id]=cus_1&payload[value][a]=5"],
  [
    "an event name of 101 characters",
    `event_name=${"a".repeat(101)}&payload[stripe_customer_id]=cus_1&payload[value]=5`,
  ],
  ["an identifier of 101 characters", `${complete()}&identifier=${"a".repeat(101)}`],
  ["an empty identifier", `${complete()}&identifier=`],
  ["a timestamp that is no integer", `${complete()}&timestamp=2026-11-20T10:00:00Z`],
])("a meter event with %s is refused", async (_, body) => {
  const response = await post(body);

  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ error: { type: "invalid_request_error" } });
  expect(running.simulator.meterEvents()).toEqual([]);
});

test("an identifier of 100 characters is accepted", async () => {
  expect((await post(`${complete()}&identifier=${"a".repeat(100)}`)).status).toBe(200);
});

test.each(["0", "5", "-5", "12.5", "007", "123456789012345", "0.00123456789012345"])(
  "the value %s is accepted",
  async (value) => {
    await stripe.billing.meterEvents.create(reading(value));

    expect(running.simulator.meterEvents()).toMatchObject([{ value }]);
  },
);

test.each(["1e3", "1,000", "abc", "+5", "5.", "NaN", "0x10", " 5", "--5"])(
  "the value %j is refused as not numeric",
  async (value) => {
    expect(await refusalOf(stripe.billing.meterEvents.create(reading(value)))).toMatchObject({
      statusCode: 400,
    });
  },
);

test("a value of more than 15 digits is refused with Stripe's words", async () => {
  const error = await refusalOf(stripe.billing.meterEvents.create(reading("1234567890123456")));

  expect(error.message).toBe(
    "The value in the event payload can have at most 15 digits. Received 1234567890123456.",
  );
});

test("a timestamp of 35 days ago is accepted, one second more is refused with Stripe's words", async () => {
  const oldest = nowSeconds - 35 * day;
  await stripe.billing.meterEvents.create({ ...reading("5"), timestamp: oldest });
  const error = await refusalOf(
    stripe.billing.meterEvents.create({ ...reading("5"), timestamp: oldest - 1 }),
  );

  expect(error).toMatchObject({ statusCode: 400, rawType: "invalid_request_error" });
  expect(error.message).toBe(
    "The event timestamp cannot be more than 35 days in past. " +
      `Expected a timestamp greater than or equal to ${oldest}.`,
  );
});

test("a timestamp 5 minutes ahead is accepted, one second more is refused", async () => {
  await stripe.billing.meterEvents.create({ ...reading("5"), timestamp: nowSeconds + 300 });
  const error = await refusalOf(
    stripe.billing.meterEvents.create({ ...reading("5"), timestamp: nowSeconds + 301 }),
  );

  expect(error.statusCode).toBe(400);
});

test("an event for no meter, or for an inactive one, is refused", async () => {
  const missing = await refusalOf(
    stripe.billing.meterEvents.create({ ...reading("5"), event_name: "unknown" }),
  );
  const [meter] = (await stripe.billing.meters.list()).data;
  await stripe.billing.meters.deactivate(meter?.id ?? "");
  const inactive = await refusalOf(stripe.billing.meterEvents.create(reading("5")));

  for (const error of [missing, inactive]) {
    expect(error).toMatchObject({ statusCode: 400, rawType: "invalid_request_error", code: undefined });
    expect(error.message).toContain("No active meter found");
  }
});

test("an event for an unknown customer is accepted, not counted, and reported later", async () => {
  await stripe.billing.meterEvents.create({ ...reading("5", "cus_unknown"), identifier: "id-1" });

  expect(running.simulator.meterEvents()).toEqual([]);
  expect(running.simulator.asyncErrors()).toMatchObject([
    { code: "meter_event_customer_not_found", identifier: "id-1", customer: "cus_unknown", api: "v1" },
  ]);
});

test("an event for a deleted customer is accepted, not counted, and reported later", async () => {
  await stripe.customers.del("cus_1");
  await stripe.billing.meterEvents.create(reading("5"));

  expect(running.simulator.meterEvents()).toEqual([]);
  expect(running.simulator.asyncErrors()).toMatchObject([{ code: "meter_event_customer_not_found" }]);
});

test("a meter's own payload keys are used", async () => {
  await stripe.billing.meters.create({
    display_name: "Bytes",
    event_name: "bytes",
    default_aggregation: { formula: "sum" },
    customer_mapping: { type: "by_id", event_payload_key: "who" },
    value_settings: { event_payload_key: "bytes" },
  });
  await stripe.billing.meterEvents.create({ event_name: "bytes", payload: { who: "cus_2", bytes: "7" } });

  expect(running.simulator.bill({ customer: "cus_2" })).toMatchObject([{ event_name: "bytes", total: "7" }]);
});

function clientOf(key: string): Stripe {
  return new Stripe(key, { host: running.host, port: running.port, protocol: "http", maxNetworkRetries: 0 });
}

function reading(value: string, customer = "cus_1") {
  return { event_name: "readings", payload: { stripe_customer_id: customer, value } };
}

function complete(): string {
  return "event_name=readings&payload[stripe_customer_id]=cus_1&payload[value]=5";
}

function post(body: string): Promise<Response> {
  return fetch(`${running.url}/v1/billing/meter_events`, {
    method: "POST",
    headers: { Authorization: "Bearer sk_test_x", "Content-Type": "application/x-www-form-urlencoded" },
    body,
  });
}

async function refusalOf(request: Promise<unknown>) {
  const error: unknown = await request.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof Stripe.errors.StripeError)) throw new Error("The request was not refused.");
  return error;
}
