import { Stripe } from "stripe";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Settings } from "../settings.ts";
import { startSimulator, type RunningSimulator } from "../start-simulator.ts";
import { startReceiver, type Receiver } from "./start-receiver.ts";

let running: RunningSimulator;
let receiver: Receiver;
let stripe: Stripe;

beforeEach(async () => {
  running = await startSimulator({ seed: 7 });
  receiver = await startReceiver({ delayMs: 5 });
  const { host, port, simulator } = running;
  stripe = new Stripe("sk_test_x", { host, port, protocol: "http", maxNetworkRetries: 0 });
  simulator.addWebhookEndpoint({ url: receiver.url, secrets: ["whsec_one"], payload: "both" });
});

afterEach(async () => {
  await running.stop();
  await receiver.stop();
});

test.each([true, false])("an event can be sent several times, at once: %s", async (isConcurrent) => {
  set({ webhook_copies: 20, webhook_copies_concurrent: isConcurrent });
  await stripe.customers.create();
  await running.simulator.deliveriesSettled();

  expect(receiver.received).toHaveLength(20);
  expect(new Set(receiver.eventIds()).size).toBe(1);
});

test("events of one window arrive in another order, and all of them", async () => {
  set({ webhook_reorder_ms: 200 });
  const created = await createCustomers(12);
  await running.simulator.deliveriesSettled();

  expect(receiver.eventIds()).not.toEqual(created);
  expect(receiver.eventIds().toSorted()).toEqual(created.toSorted());
});

test("held events wait for their release, and leave in the order of their creation", async () => {
  set({ webhook_hold: true });
  const created = await createCustomers(5);
  await running.simulator.deliveriesSettled();
  const before = receiver.received.length;

  expect(await running.simulator.release()).toEqual({ released: 5 });
  expect(before).toBe(0);
  expect(receiver.eventIds()).toEqual(created);
});

test("a release can be reversed", async () => {
  set({ webhook_hold: true });
  const created = await createCustomers(5);
  await running.simulator.release({ order: "reversed" });

  expect(receiver.eventIds()).toEqual(created.toReversed());
});

test("a release can be shuffled, and the same seed gives the same order", async () => {
  const orders: number[][] = [];
  for (let round = 0; round < 2; round += 1) {
    await reseed(3);
    set({ webhook_hold: true });
    const created = await createCustomers(8);
    receiver.received.length = 0;
    await running.simulator.release({ order: "shuffled" });
    orders.push(receiver.eventIds().map((id) => created.indexOf(id)));
  }

  expect(orders[0]).toEqual(orders[1]);
  expect(orders[0]).not.toEqual(orders[0]?.toSorted((a, b) => a - b));
});

test("a release can name its events, and the others go on waiting", async () => {
  set({ webhook_hold: true });
  const [first = "", second = "", third = ""] = await createCustomers(3);
  await running.simulator.release({ event_ids: [third, first] });
  const named = receiver.eventIds();
  await running.simulator.release();

  expect(named).toEqual([third, first]);
  expect(receiver.eventIds()).toEqual([third, first, second]);
});

test("a concurrent release sends all at once", async () => {
  set({ webhook_hold: true });
  await createCustomers(5);

  expect(await running.simulator.release({ concurrent: true })).toEqual({ released: 5 });
  expect(receiver.received).toHaveLength(5);
});

test("the next events can be dropped: they are logged, listed as undelivered, and never sent", async () => {
  set({ webhook_drop_next: 1 });
  const [dropped = "", sent = ""] = await createCustomers(2);
  await running.simulator.deliveriesSettled();

  expect(receiver.eventIds()).toEqual([sent]);
  expect(running.simulator.deliveries({ outcome: "dropped" })).toMatchObject([{ event_id: dropped }]);
  expect(await idsOf({ delivery_success: false })).toEqual([dropped]);
  expect(await idsOf({ delivery_success: true })).toEqual([sent]);
});

test("a stored event can be sent once more, even one that was dropped", async () => {
  set({ webhook_drop_next: 1 });
  const [dropped = ""] = await createCustomers(1);

  expect(running.simulator.resend(dropped)).toEqual({ deliveries: 1 });
  await running.simulator.deliveriesSettled();
  expect(receiver.eventIds()).toEqual([dropped]);
  expect(await idsOf({ delivery_success: false })).toEqual([]);
});

test("an event of one's own is stored and delivered", async () => {
  const { id } = running.simulator.emit({
    type: "invoice.overdue",
    livemode: true,
    data: { object: { id: "in_1", object: "invoice" } },
  });
  await running.simulator.deliveriesSettled();

  expect(receiver.eventIds()).toEqual([id]);
  expect(await stripe.events.retrieve(id)).toMatchObject({
    type: "invoice.overdue",
    livemode: true,
    data: { object: { id: "in_1" } },
  });
});

test("a thin event of one's own is delivered without its data and fetched with it", async () => {
  const { id } = running.simulator.emit({
    object: "v2.core.event",
    type: "v1.billing.meter.no_meter_found",
    data: { developer_message_summary: "nothing" },
  });
  await running.simulator.deliveriesSettled();

  expect(receiver.received[0]?.body).not.toContain("nothing");
  expect(await stripe.v2.core.events.retrieve(id)).toMatchObject({
    data: { developer_message_summary: "nothing" },
  });
});

function set(patch: Partial<Settings>): void {
  running.simulator.setSettings(patch);
}

async function reseed(seed: number): Promise<void> {
  await fetch(`${running.url}/_simulator/seed`, { method: "POST", body: JSON.stringify({ seed }) });
}

/** Creates customers and returns the ids of the events about them. */
async function createCustomers(count: number): Promise<string[]> {
  const before = running.simulator.events().length;
  for (let index = 0; index < count; index += 1) await stripe.customers.create();
  return running.simulator
    .events()
    .slice(before)
    .map(({ id }) => id);
}

async function idsOf(params: Stripe.EventListParams): Promise<string[]> {
  const { data } = await stripe.events.list(params);
  return data.map(({ id }) => id);
}
