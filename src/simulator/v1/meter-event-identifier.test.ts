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

test("a duplicate identifier is a 400 without a code that tells the SDK not to retry", async () => {
  await stripe.billing.meterEvents.create({ ...reading("5"), identifier: "id-1" });
  const error = await refusalOf(stripe.billing.meterEvents.create({ ...reading("5"), identifier: "id-1" }));

  expect(error).toMatchObject({
    statusCode: 400,
    type: "StripeInvalidRequestError",
    rawType: "invalid_request_error",
    code: undefined,
    message: "An event already exists with identifier id-1.",
  });
  expect(error.headers?.["stripe-should-retry"]).toBe("false");
  expect(running.simulator.meterEvents()).toMatchObject([{ times_counted: 1, value: "5" }]);
});

test("an identifier that comes with another quantity is a duplicate all the same, and is reported", async () => {
  await stripe.billing.meterEvents.create({ ...reading("5"), identifier: "id-1" });
  await refusalOf(stripe.billing.meterEvents.create({ ...reading("6"), identifier: "id-1" }));

  expect(running.simulator.requests().conflicting_identifiers).toEqual([
    { identifier: "id-1", values: ["5", "6"] },
  ]);
});

test("an identifier is remembered for 24 hours, then a resend bills twice and is recorded as a double", async () => {
  await stripe.billing.meterEvents.create({ ...reading("5"), identifier: "id-1", timestamp: nowSeconds });
  running.simulator.setClock({ advance_seconds: day - 1 });
  const error = await refusalOf(
    stripe.billing.meterEvents.create({ ...reading("5"), identifier: "id-1", timestamp: nowSeconds }),
  );
  running.simulator.setClock({ advance_seconds: 1 });
  await stripe.billing.meterEvents.create({ ...reading("5"), identifier: "id-1", timestamp: nowSeconds });

  expect(error.statusCode).toBe(400);
  expect(running.simulator.state()).toMatchObject({ counted: 2, identifiers_counted: 1, double_counted: 1 });
  expect(running.simulator.meterEvents({ double_counted: true })).toMatchObject([
    { identifier: "id-1", times_counted: 2, recounts: [{ value: "5", timestamp: nowSeconds }] },
  ]);
  expect(running.simulator.bill()).toMatchObject([{ total: "10" }]);
});

test("an identifier is unique for the whole account, or per meter when so set", async () => {
  await stripe.billing.meters.create({
    display_name: "Sensors",
    event_name: "sensors",
    default_aggregation: { formula: "last" },
  });
  const other = { ...reading("5"), event_name: "sensors", identifier: "id-1" };
  await stripe.billing.meterEvents.create({ ...reading("5"), identifier: "id-1" });
  const error = await refusalOf(stripe.billing.meterEvents.create(other));
  running.simulator.reset();
  running.simulator.setSettings({ identifier_scope: "meter" });
  await stripe.billing.meters.create({
    display_name: "Sensors",
    event_name: "sensors",
    default_aggregation: { formula: "last" },
  });
  await stripe.billing.meterEvents.create({ ...reading("5"), identifier: "id-1" });
  await stripe.billing.meterEvents.create(other);

  expect(error.message).toContain("already exists with identifier");
  expect(running.simulator.meterEvents()).toHaveLength(2);
});

function clientOf(key: string): Stripe {
  return new Stripe(key, { host: running.host, port: running.port, protocol: "http", maxNetworkRetries: 0 });
}

function reading(value: string, customer = "cus_1") {
  return { event_name: "readings", payload: { stripe_customer_id: customer, value } };
}

async function refusalOf(request: Promise<unknown>) {
  const error: unknown = await request.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof Stripe.errors.StripeError)) throw new Error("The request was not refused.");
  return error;
}
