import { Stripe } from "stripe";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startSimulator, type RunningSimulator } from "../start-simulator.ts";

let running: RunningSimulator;
let stripe: Stripe;
/** Gives up after 150 ms of silence. */
let hasty: Stripe;

beforeEach(async () => {
  running = await startSimulator({
    meters: [
      { event_name: "readings", formula: "sum" },
      { event_name: "sensors", formula: "last" },
    ],
    customers: ["cus_1", "cus_2"],
  });
  const { host, port } = running;
  const config = { host, port, protocol: "http", maxNetworkRetries: 0 } as const;
  stripe = new Stripe("sk_test_x", config);
  hasty = new Stripe("sk_test_x", { ...config, timeout: 150 });
});

afterEach(() => running.stop());

test("latency delays the answer", async () => {
  running.simulator.addFault({ kind: "latency", ms: 40 });
  const begun = performance.now();
  await send("id-1");

  expect(performance.now() - begun).toBeGreaterThan(35);
});

test("a client that gives up on a slow answer leaves usage behind that was counted", async () => {
  running.simulator.addFault({ kind: "latency", ms: 600, times: 1 });
  await expect(hasty.billing.meterEvents.create(reading("id-1"))).rejects.toMatchObject({
    type: "StripeConnectionError",
  });

  await expect.poll(() => running.simulator.state().counted, { interval: 5 }).toBe(1);
});

test("status 429 carries its reason and, when asked for, Retry-After", async () => {
  running.simulator.addFault({
    kind: "status",
    status: 429,
    reason: "global-rate",
    retry_after_seconds: 7,
  });

  await expect(send("id-1")).rejects.toMatchObject({
    type: "StripeRateLimitError",
    headers: { "stripe-rate-limited-reason": "global-rate", "retry-after": "7" },
  });
  expect(running.simulator.state().counted).toBe(0);
});

test("status 429 with the reason lock_timeout has its code and no reason header", async () => {
  running.simulator.addFault({ kind: "status", status: 429, reason: "lock_timeout" });
  const error: unknown = await send("id-1").catch((reason: unknown) => reason);

  expect(error).toMatchObject({ statusCode: 429, code: "lock_timeout" });
  expect(error).not.toHaveProperty("headers.stripe-rate-limited-reason");
});

test.each([409, 500] as const)("status %i refuses without counting", async (status) => {
  running.simulator.addFault({ kind: "status", status });

  await expect(send("id-1")).rejects.toMatchObject({ type: "StripeAPIError", statusCode: status });
  expect(running.simulator.state().counted).toBe(0);
});

test("status 503 is an HTML page, which the SDK cannot tell the status of", async () => {
  running.simulator.addFault({ kind: "status", status: 503 });

  await expect(send("id-1")).rejects.toMatchObject({ type: "StripeAPIError", statusCode: undefined });
});

test("accept_then_cut counts and sends nothing", async () => {
  running.simulator.addFault({ kind: "accept_then_cut" });

  await expect(rawSend("id-1")).rejects.toThrow("fetch failed");
  expect(running.simulator.meterEvents()).toMatchObject([{ identifier: "id-1", times_counted: 1 }]);
  expect(running.simulator.requests().by_outcome).toEqual({ cut: 1 });
});

test("accept_then_cut can cut in the middle of the body, after which the SDK does not resend by itself", async () => {
  running.simulator.addFault({ kind: "accept_then_cut", sent: "half_body" });

  await expect(send("id-1")).rejects.toMatchObject({ type: "StripeConnectionError" });
  expect(running.simulator.state()).toMatchObject({ counted: 1, requests: 1 });
});

test("after a cut the SDK resends once with the same key, and gets the stored answer", async () => {
  running.simulator.addFault({ kind: "accept_then_cut", times: 1 });
  await send("id-1");

  expect(running.simulator.state()).toMatchObject({ requests: 2, counted: 1, idempotent_replays: 1 });
});

test("accept_then_500 counts, and keeps the 500 for the key", async () => {
  running.simulator.addFault({ kind: "accept_then_500", times: 1 });
  await expect(send("id-1", { idempotencyKey: "key-1" })).rejects.toMatchObject({ statusCode: 500 });
  await expect(send("id-1", { idempotencyKey: "key-1" })).rejects.toMatchObject({ statusCode: 500 });

  await expect(send("id-1", { idempotencyKey: "key-2" })).rejects.toMatchObject({
    message: "An event already exists with identifier id-1.",
  });
  expect(running.simulator.state().counted).toBe(1);
});

test("stored_500 counts nothing, and keeps the 500 for the key", async () => {
  running.simulator.addFault({ kind: "stored_500", times: 1 });
  await expect(send("id-1", { idempotencyKey: "key-1" })).rejects.toMatchObject({ statusCode: 500 });
  await expect(send("id-1", { idempotencyKey: "key-1" })).rejects.toMatchObject({ statusCode: 500 });

  expect(running.simulator.state().counted).toBe(0);
});

test("cut_before counts nothing and sends nothing", async () => {
  running.simulator.addFault({ kind: "cut_before" });

  await expect(rawSend("id-1")).rejects.toThrow("fetch failed");
  expect(running.simulator.state().counted).toBe(0);
});

test.each([true, false])("never_answer leaves the client waiting; counted: %s", async (record) => {
  running.simulator.addFault({ kind: "never_answer", record });

  await expect(hasty.billing.meterEvents.create(reading("id-1"))).rejects.toMatchObject({
    type: "StripeConnectionError",
  });
  await expect.poll(() => running.simulator.requests().by_outcome, { interval: 2 }).toEqual({ never: 1 });
  expect(running.simulator.state().counted).toBe(record ? 1 : 0);
});

test("slow_drip counts, sends the headers at once, and one byte of the body after the other", async () => {
  running.simulator.addFault({ kind: "slow_drip", interval_ms: 2 });
  const response = await rawSend("id-1");
  const chunks: string[] = [];
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) chunks.push(decoder.decode(chunk));

  expect(chunks.length).toBeGreaterThan(50);
  expect(JSON.parse(chunks.join(""))).toMatchObject({ identifier: "id-1" });
});

test("slow_drip outlives the SDK's timeout, which is only about silence", async () => {
  running.simulator.addFault({ kind: "slow_drip", interval_ms: 13 });
  const { host, port } = running;
  const patient = new Stripe("sk_test_x", { host, port, protocol: "http", timeout: 2_500 });
  const begun = performance.now();
  await patient.billing.meterEvents.create(reading("id-1"), { maxNetworkRetries: 0 });

  expect(performance.now() - begun).toBeGreaterThan(2_500);
});

test("duplicate_processing counts one event twice, and it is recorded as a double", async () => {
  running.simulator.addFault({ kind: "duplicate_processing" });
  await send("id-1");

  expect(running.simulator.bill()).toMatchObject([{ total: "10" }]);
  expect(running.simulator.state()).toMatchObject({ counted: 2, double_counted: 1 });
});

test("wrong_key is a 401 and forbidden a 403", async () => {
  running.simulator.addFault({ kind: "wrong_key", times: 1 });
  running.simulator.addFault({ kind: "forbidden", times: 1 });

  await expect(send("id-1")).rejects.toMatchObject({ type: "StripeAuthenticationError" });
  await expect(send("id-1")).rejects.toMatchObject({ type: "StripePermissionError" });
});

test("inactive_meter refuses an event as if its meter had been deactivated", async () => {
  running.simulator.addFault({ kind: "inactive_meter", meter: "readings" });

  await expect(send("id-1")).rejects.toMatchObject({
    statusCode: 400,
    message: "No active meter found for event name 'readings'.",
  });
  await expect(stripe.v2.billing.meterEvents.create(reading("id-2"))).rejects.toMatchObject({
    code: "archived_meter",
  });
});

test("expired_session strikes the stream only", async () => {
  running.simulator.addFault({ kind: "expired_session" });
  const session = await stripe.v2.billing.meterEventSession.create();
  await send("id-1");

  await expect(
    stripe.v2.billing.meterEventStream.create(
      { events: [reading("id-2")] },
      { apiKey: session.authentication_token },
    ),
  ).rejects.toMatchObject({ code: "billing_meter_event_session_expired" });
});

test("a stop does not wait for answers that never come", async () => {
  running.simulator.addFault({ kind: "never_answer" });
  const waiting = rawSend("id-1").catch(() => "cut off");
  await expect.poll(() => running.simulator.requests().by_outcome, { interval: 2 }).toEqual({ never: 1 });
  await running.stop();

  expect(await waiting).toBe("cut off");
});

function reading(identifier: string, customer = "cus_1") {
  return { event_name: "readings", payload: { stripe_customer_id: customer, value: "5" }, identifier };
}

function send(identifier: string, options: Stripe.RequestOptions = {}) {
  return stripe.billing.meterEvents.create(reading(identifier), options);
}

/** Without the SDK, which resends by itself when a connection is cut. */
function rawSend(identifier: string): Promise<Response> {
  return fetch(`${running.url}/v1/billing/meter_events`, {
    method: "POST",
    headers: { Authorization: "Bearer sk_test_x", "Content-Type": "application/x-www-form-urlencoded" },
    body: `event_name=readings&payload[stripe_customer_id]=cus_1&payload[value]=5&identifier=${identifier}`,
  });
}
