import { Stripe } from "stripe";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startSimulator, type RunningSimulator } from "../start-simulator.ts";
import { startReceiver, type Receiver } from "./start-receiver.ts";

const signingSecret = "whsec_one";

let running: RunningSimulator;
let receiver: Receiver;
let stripe: Stripe;

beforeEach(async () => {
  running = await startSimulator();
  receiver = await startReceiver();
  const { host, port, simulator } = running;
  stripe = new Stripe("sk_test_x", { host, port, protocol: "http", maxNetworkRetries: 0 });
  simulator.setSettings({ webhook_retry_ms: 5 });
});

afterEach(async () => {
  await running.stop();
  await receiver.stop();
});

test("what is delivered passes the SDK's check of the signature", async () => {
  listen();
  const customer = await stripe.customers.create({ name: "Acme" });
  await running.simulator.deliveriesSettled();

  expect(constructed(signingSecret)).toMatchObject({
    object: "event",
    type: "customer.created",
    api_version: "2026-10-28.endive",
    livemode: false,
    pending_webhooks: 1,
    data: { object: { id: customer.id, name: "Acme" } },
  });
});

test("each of two secrets verifies, as while one is rotated", async () => {
  listen({ secrets: [signingSecret, "whsec_two"] });
  await stripe.customers.create();
  await running.simulator.deliveriesSettled();

  expect(constructed(signingSecret)).toEqual(constructed("whsec_two"));
  expect(() => constructed("whsec_other")).toThrow(/signature/);
});

test("a secret that was rotated signs the attempts that follow", async () => {
  const { id } = listen();
  receiver.answerWith(500);
  const answer = receiver.holdAnswers();
  await stripe.customers.create();
  await expect.poll(() => receiver.received.length).toBe(1);
  running.simulator.changeWebhookEndpoint(id, { secrets: ["whsec_two"] });
  answer();
  await running.simulator.deliveriesSettled();

  expect(constructed("whsec_two", 1)).toMatchObject({ type: "customer.created" });
});

test.each([
  ["old", -600],
  ["future", 86_400],
])("the time of a signature can be %s", async (_, offsetSeconds) => {
  listen();
  running.simulator.setSettings({ webhook_timestamp_offset_seconds: offsetSeconds });
  const earliest = Math.floor(Date.now() / 1000);
  await stripe.customers.create();
  await running.simulator.deliveriesSettled();
  const latest = Date.now() / 1000;
  const time = Number(/^t=(\d+)/.exec(receiver.received[0]?.signature ?? "")?.[1]);

  expect(time - offsetSeconds).toBeGreaterThanOrEqual(earliest);
  expect(time - offsetSeconds).toBeLessThanOrEqual(latest);
});

test("the time of a signature can follow the simulator's clock", async () => {
  listen();
  running.simulator.setClock({ now: 1_000, frozen: true });
  running.simulator.setSettings({ webhook_signature_clock: "simulator" });
  await stripe.customers.create();
  await running.simulator.deliveriesSettled();

  expect(receiver.received[0]?.signature).toMatch(/^t=1000,v1=/);
});

test("an event that is refused comes again until it is taken, and is no longer pending then", async () => {
  listen();
  receiver.answerWith(500, 302);
  await stripe.customers.create();
  await running.simulator.deliveriesSettled();

  expect(running.simulator.deliveries()).toMatchObject([
    { attempt: 1, outcome: "refused", status: 500 },
    { attempt: 2, outcome: "refused", status: 302 },
    { attempt: 3, outcome: "delivered", status: 200 },
  ]);
  expect(running.simulator.events()).toMatchObject([{ pending_webhooks: 0 }]);
});

test("the attempts end at their limit", async () => {
  listen();
  receiver.answerWith(500, 500, 500);
  running.simulator.setSettings({ webhook_attempts_max: 2 });
  await stripe.customers.create();
  await running.simulator.deliveriesSettled();

  expect(receiver.received).toHaveLength(2);
  expect(running.simulator.events()).toMatchObject([{ pending_webhooks: 1 }]);
});

test("a receiver that cannot be reached is an attempt without a status", async () => {
  listen();
  await receiver.stop();
  running.simulator.setSettings({ webhook_attempts_max: 1 });
  await stripe.customers.create();
  await running.simulator.deliveriesSettled();

  expect(running.simulator.deliveries()).toMatchObject([
    { outcome: "unreachable", status: null, fault: "ECONNREFUSED" },
  ]);
});

test("a receiver that is too slow counts as unreachable", async () => {
  await receiver.stop();
  receiver = await startReceiver({ delayMs: 1_000 });
  listen();
  running.simulator.setSettings({ webhook_attempts_max: 1, webhook_timeout_ms: 20 });
  await stripe.customers.create();
  await running.simulator.deliveriesSettled();

  expect(running.simulator.deliveries()).toMatchObject([{ outcome: "unreachable", status: null }]);
});

test("an endpoint gets only the types that it asked for", async () => {
  listen({ types: ["customer.*", "invoice.paid"] });
  await stripe.billing.meters.create({
    display_name: "Readings",
    event_name: "readings",
    default_aggregation: { formula: "sum" },
  });
  await stripe.customers.create();
  await running.simulator.deliveriesSettled();

  expect(receiver.types()).toEqual(["customer.created"]);
});

test("an endpoint that was removed gets no further attempt", async () => {
  const { id } = listen();
  receiver.answerWith(500);
  const answer = receiver.holdAnswers();
  await stripe.customers.create();
  await expect.poll(() => receiver.received.length).toBe(1);
  running.simulator.removeWebhookEndpoint(id);
  answer();
  await running.simulator.deliveriesSettled();

  expect(receiver.received).toHaveLength(1);
});

test("stopping ends open deliveries and waits at once", async () => {
  await receiver.stop();
  receiver = await startReceiver({ delayMs: 600_000 });
  listen();
  running.simulator.setSettings({ webhook_timeout_ms: 600_000 });
  await stripe.customers.create();
  await expect.poll(() => receiver.received.length).toBe(1);
  const startedMs = performance.now();
  await running.stop();

  expect(performance.now() - startedMs).toBeLessThan(30_000);
});

test("a reset forgets endpoints and what is under way to them", async () => {
  listen();
  running.simulator.setSettings({ webhook_hold: true });
  await stripe.customers.create();
  running.simulator.reset();

  expect(await running.simulator.release()).toEqual({ released: 0 });
  expect(running.simulator.webhookEndpoints()).toEqual([]);
});

function listen(override: { secrets?: string[]; types?: string[] } = {}) {
  return running.simulator.addWebhookEndpoint({ url: receiver.url, secrets: [signingSecret], ...override });
}

function constructed(secret: string, index = 0) {
  const { body = "", signature = "" } = receiver.received[index] ?? {};
  return stripe.webhooks.constructEvent(body, signature, secret);
}
