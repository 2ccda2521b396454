import { Stripe } from "stripe";
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { startSimulator, type RunningSimulator } from "../start-simulator.ts";

const nowSeconds = Date.parse("2026-11-20T10:00:00Z") / 1000;
/** Longer than a test may wait. */
const endlessMs = 600_000;

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

test("of two requests in parallel for a customer and meter the second is refused with 409", async () => {
  const outcomes = await outcomesInParallel();

  expect(outcomes.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
  expect(outcomes.find(({ status }) => status === "rejected")).toMatchObject({ reason: { statusCode: 409 } });
  expect(running.simulator.requests().max_in_flight).toEqual([
    { event_name: "readings", customer: "cus_1", max: 2 },
  ]);
  expect(running.simulator.state().counted).toBe(1);
});

test("a request whose client has hung up still blocks the next, but is not held against the sender", async () => {
  running.simulator.addFault({ kind: "latency", ms: endlessMs, times: 1 });
  const hangUp = new AbortController();
  const abandoned = fetch(`${running.url}/v1/billing/meter_events`, {
    method: "POST",
    headers: { Authorization: "Bearer sk_test_x" },
    body: new URLSearchParams("event_name=readings&payload[stripe_customer_id]=cus_1&payload[value]=5"),
    signal: hangUp.signal,
  });
  await expect.poll(() => running.simulator.requests().max_in_flight).toHaveLength(1);
  hangUp.abort();
  await expect(abandoned).rejects.toThrow("aborted");
  const refused = await refusalOf(stripe.billing.meterEvents.create(reading("5")));

  expect(refused.statusCode).toBe(409);
  expect(running.simulator.requests().max_in_flight).toMatchObject([{ max: 1 }]);
});

test("the refusal of a parallel request can be switched to a 429 without a rate-limit header", async () => {
  running.simulator.setSettings({ parallel_status: 429 });
  const outcomes = await outcomesInParallel();

  const refused = outcomes.find(({ status }) => status === "rejected");
  expect(refused).toMatchObject({ reason: { statusCode: 429, code: "lock_timeout" } });
  expect(refused).not.toHaveProperty("reason.headers.stripe-rate-limited-reason");
});

test("requests in parallel for different customers do not get in each other's way", async () => {
  running.simulator.addFault({ kind: "latency", ms: 20 });
  await Promise.all([
    stripe.billing.meterEvents.create(reading("5", "cus_1")),
    stripe.billing.meterEvents.create(reading("6", "cus_2")),
  ]);

  expect(running.simulator.requests().max_in_flight.map(({ max }) => max)).toEqual([1, 1]);
});

test("a rate limit refuses what exceeds it, and lets in again as time goes by", async () => {
  running.simulator.setSettings({ rate_limit_events_per_second: 2 });
  await stripe.billing.meterEvents.create(reading("1"));
  await stripe.billing.meterEvents.create(reading("1"));
  const error = await refusalOf(stripe.billing.meterEvents.create(reading("1")));
  running.simulator.setClock({ advance_seconds: 1 });
  await stripe.billing.meterEvents.create(reading("1"));

  expect(error).toMatchObject({ type: "StripeRateLimitError", statusCode: 429 });
  expect(error.headers?.["stripe-rate-limited-reason"]).toBe("endpoint-rate");
  expect(running.simulator.state()).toMatchObject({ counted: 3, rate_limited: 1 });
});

/** How two requests for a customer and meter end, the first of which is worked on until the second has come. */
async function outcomesInParallel() {
  vi.useFakeTimers({ toFake: ["setTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  running.simulator.addFault({ kind: "latency", ms: endlessMs });
  const ending = Promise.allSettled([
    stripe.billing.meterEvents.create(reading("5")),
    stripe.billing.meterEvents.create(reading("6")),
  ]);
  await expect.poll(() => running.simulator.requests().max_in_flight[0]?.max).toBe(2);
  vi.advanceTimersByTime(endlessMs);
  return ending;
}

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
