import { Stripe } from "stripe";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startSimulator, type RunningSimulator } from "../start-simulator.ts";

let running: RunningSimulator;
let stripe: Stripe;

beforeEach(async () => {
  running = await startSimulator({
    meters: [{ event_name: "readings", formula: "sum" }],
    customers: ["cus_1", "cus_2"],
  });
  running.simulator.setClock({ now: "2026-11-20T10:00:00Z", frozen: true });
  const { host, port } = running;
  stripe = new Stripe("sk_test_x", { host, port, protocol: "http", maxNetworkRetries: 0 });
});

afterEach(() => running.stop());

test("the same key with the same parameters replays the answer and counts nothing", async () => {
  const first = await send("key-1", "id-1");
  const second = await send("key-1", "id-1");

  expect(second).toEqual(first);
  expect(second.lastResponse.headers["idempotent-replayed"]).toBe("true");
  expect(first.lastResponse.headers["idempotent-replayed"]).toBeUndefined();
  expect(running.simulator.state()).toMatchObject({ counted: 1, idempotent_replays: 1, duplicates: 0 });
});

test("the same key with other parameters is a 400 idempotency_error", async () => {
  await send("key-1", "id-1");

  await expect(send("key-1", "id-2")).rejects.toMatchObject({
    type: "StripeIdempotencyError",
    statusCode: 400,
    rawType: "idempotency_error",
  });
});

test("the same key in flight is a 409 idempotency_key_in_use", async () => {
  running.simulator.addFault({ kind: "latency", ms: 500 });
  const outcomes = await Promise.allSettled([send("key-1", "id-1"), send("key-1", "id-1")]);

  expect(outcomes.find(({ status }) => status === "rejected")).toMatchObject({
    reason: { statusCode: 409, rawType: "idempotency_error", code: "idempotency_key_in_use" },
  });
  expect(running.simulator.state().counted).toBe(1);
});

test("a stored 500 is replayed for as long as the key is kept", async () => {
  running.simulator.addFault({ kind: "stored_500", times: 1 });
  await expect(send("key-1", "id-1")).rejects.toMatchObject({ statusCode: 500 });
  await expect(send("key-1", "id-1")).rejects.toMatchObject({ statusCode: 500 });
  await send("key-2", "id-1");

  expect(running.simulator.state().counted).toBe(1);
});

test("a stored duplicate is replayed as well", async () => {
  await send("key-1", "id-1");
  await expect(send("key-2", "id-1")).rejects.toMatchObject({ statusCode: 400 });
  await expect(send("key-2", "id-1")).rejects.toMatchObject({
    statusCode: 400,
    headers: { "idempotent-replayed": "true", "stripe-should-retry": "false" },
  });
});

test("a key is free again when the parameters were refused before any work", async () => {
  const params = { event_name: "", payload: {}, identifier: "id-1" };
  await expect(stripe.billing.meterEvents.create(params, { idempotencyKey: "key-1" })).rejects.toMatchObject({
    statusCode: 400,
  });

  await expect(send("key-1", "id-1")).resolves.toMatchObject({ identifier: "id-1" });
});

test.each([429, 409] as const)("a %i is not kept for the key", async (status) => {
  running.simulator.addFault({ kind: "status", status, times: 1 });
  await expect(send("key-1", "id-1")).rejects.toMatchObject({ statusCode: status });

  await expect(send("key-1", "id-1")).resolves.toMatchObject({ identifier: "id-1" });
});

test("a conflict over customer and meter is not kept for the key", async () => {
  running.simulator.addFault({ kind: "latency", ms: 500, times: 2 });
  const keys = ["key-1", "key-2"];
  const outcomes = await Promise.allSettled(keys.map((key) => send(key, `id of ${key}`)));
  const loser = keys[outcomes.findIndex(({ status }) => status === "rejected")] ?? "";

  await expect(send(loser, `id of ${loser}`)).resolves.toMatchObject({ identifier: `id of ${loser}` });
});

test("a key is forgotten after 24 hours, and the identifier's own 24 hours decide", async () => {
  await send("key-1", "id-1");
  running.simulator.setClock({ advance_seconds: 86_399 });
  await send("key-1", "id-1");
  running.simulator.setClock({ advance_seconds: 1 });
  await send("key-1", "id-1");

  expect(running.simulator.state()).toMatchObject({ counted: 2, double_counted: 1, idempotent_replays: 1 });
});

test("a key belongs to its API key", async () => {
  await send("key-1", "id-1");
  const { host, port } = running;
  const other = new Stripe("sk_test_other", { host, port, protocol: "http", maxNetworkRetries: 0 });

  await expect(
    other.billing.meterEvents.create(event("id-1"), { idempotencyKey: "key-1" }),
  ).rejects.toMatchObject({ message: "An event already exists with identifier id-1." });
});

test("a key of 255 characters is accepted, one of 256 refused", async () => {
  await send("k".repeat(255), "id-1");

  await expect(send("k".repeat(256), "id-2")).rejects.toMatchObject({ statusCode: 400 });
});

test("the key is echoed", async () => {
  const { lastResponse } = await send("key-1", "id-1");

  expect(lastResponse.idempotencyKey).toBe("key-1");
});

test("v2 does failed work again for the same key, and repeats only successes", async () => {
  running.simulator.addFault({ kind: "stored_500", times: 1 });
  const params = {
    event_name: "readings",
    payload: { stripe_customer_id: "cus_1", value: "5" },
    identifier: "id-1",
  };
  const options = { idempotencyKey: "key-1" };
  await expect(stripe.v2.billing.meterEvents.create(params, options)).rejects.toMatchObject({
    statusCode: 500,
  });
  await stripe.v2.billing.meterEvents.create(params, options);
  await stripe.v2.billing.meterEvents.create(params, options);

  expect(running.simulator.state()).toMatchObject({ counted: 1, idempotent_replays: 1 });
});

function event(identifier: string) {
  return { event_name: "readings", payload: { stripe_customer_id: "cus_1", value: "5" }, identifier };
}

function send(idempotencyKey: string, identifier: string) {
  return stripe.billing.meterEvents.create(event(identifier), { idempotencyKey });
}
