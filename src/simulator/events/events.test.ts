import { Stripe } from "stripe";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startSimulator, type RunningSimulator } from "../start-simulator.ts";
import { makePrice } from "../v1/make-price.ts";

const nowSeconds = Date.parse("2026-11-20T10:00:00Z") / 1000;
const day = 86_400;

let running: RunningSimulator;
let stripe: Stripe;

beforeEach(async () => {
  running = await startSimulator();
  running.simulator.setClock({ now: nowSeconds, frozen: true });
  const { host, port } = running;
  stripe = new Stripe("sk_test_x", { host, port, protocol: "http", maxNetworkRetries: 0 });
});

afterEach(() => running.stop());

test("an event holds the object as it was, the time by the simulator's clock, and the request", async () => {
  const { id, lastResponse } = await stripe.customers.create({ name: "Acme" }, { idempotencyKey: "key-1" });
  await stripe.customers.update(id, { name: "Apex" });
  const [, created] = (await stripe.events.list()).data;

  expect(created).toMatchObject({
    object: "event",
    type: "customer.created",
    created: nowSeconds,
    livemode: false,
    api_version: "2026-10-28.endive",
    pending_webhooks: 0,
    data: { object: { id, name: "Acme" } },
    request: { id: lastResponse.requestId, idempotency_key: "key-1" },
  });
});

test("an update tells what was there before, and one without effect is no event", async () => {
  const { id } = await stripe.customers.create({ name: "Acme" });
  await stripe.customers.update(id, { name: "Apex" });
  await stripe.customers.update(id, { name: "Apex" });

  expect(await listed()).toEqual(["customer.updated", "customer.created"]);
  expect((await stripe.events.list({ limit: 1 })).data[0]?.data.previous_attributes).toEqual({
    name: "Acme",
  });
});

test("livemode follows the key", async () => {
  const { host, port } = running;
  const live = new Stripe("sk_live_x", { host, port, protocol: "http" });
  await live.customers.create();

  expect((await stripe.events.list()).data).toMatchObject([{ livemode: true }]);
});

test("deleting a customer ends its subscriptions, and both are told", async () => {
  const { id } = await stripe.customers.create();
  await stripe.subscriptions.create({ customer: id, items: [{ price: await makePrice(stripe) }] });
  await stripe.customers.del(id);

  expect(await listed({ type: "customer.*" })).toEqual([
    "customer.deleted",
    "customer.subscription.deleted",
    "customer.subscription.created",
    "customer.created",
  ]);
});

test("a meter tells of its creation, its name, and of being switched off and on, once each", async () => {
  const { id } = await stripe.billing.meters.create({
    display_name: "Readings",
    event_name: "readings",
    default_aggregation: { formula: "sum" },
  });
  await stripe.billing.meters.update(id, { display_name: "All readings" });
  await stripe.billing.meters.deactivate(id);
  await stripe.billing.meters.deactivate(id);
  await stripe.billing.meters.reactivate(id);

  expect(await listed()).toEqual([
    "billing.meter.reactivated",
    "billing.meter.deactivated",
    "billing.meter.updated",
    "billing.meter.created",
  ]);
});

test("customers made by the control endpoint are of before, so no event tells of them", async () => {
  running.simulator.addCustomers("cus_1");

  expect(await listed()).toEqual([]);
});

test("events are listed the newest first, page by page", async () => {
  const ids = await createEvents(5);
  const first = await stripe.events.list({ limit: 2 });
  const second = await stripe.events.list({ limit: 2, starting_after: first.data[1]?.id ?? "" });

  expect(first.has_more).toBe(true);
  expect([...first.data, ...second.data].map(({ id }) => id)).toEqual(ids.toReversed().slice(0, 4));
});

test("paging with `ending_before` goes on from an event towards the newest, in the order of creation", async () => {
  const ids = await createEvents(25);
  const seen: string[] = [];
  for await (const { id } of stripe.events.list({ ending_before: ids[2] ?? "", limit: 10 })) seen.push(id);

  expect(seen).toEqual(ids.slice(3));
});

test("the event to go on from may be of a type that is not asked for", async () => {
  const [first = ""] = await createEvents(1);
  await stripe.billing.meters.create({
    display_name: "Readings",
    event_name: "readings",
    default_aggregation: { formula: "sum" },
  });

  expect(await listed({ ending_before: first, types: ["billing.meter.created"] })).toEqual([
    "billing.meter.created",
  ]);
});

test("events can be asked for by type, by types and by group", async () => {
  const { id } = await stripe.customers.create();
  await stripe.customers.update(id, { name: "Acme" });
  await stripe.customers.del(id);

  expect(await listed({ type: "customer.updated" })).toEqual(["customer.updated"]);
  expect(await listed({ types: ["customer.created", "customer.deleted"] })).toHaveLength(2);
  expect(await listed({ type: "customer.*" })).toHaveLength(3);
});

test("events can be asked for by time", async () => {
  await createEvents(1);
  running.simulator.setClock({ advance_seconds: 60 });
  await createEvents(1);

  expect(await listed({ created: { gte: nowSeconds + 60 } })).toHaveLength(1);
  expect(await listed({ created: { gt: nowSeconds + 60 } })).toHaveLength(0);
  expect(await listed({ created: { lte: nowSeconds } })).toHaveLength(1);
  expect(await listed({ created: { lt: nowSeconds } })).toHaveLength(0);
  expect(await listed({ created: nowSeconds })).toHaveLength(1);
});

test("an event is forgotten after 30 days", async () => {
  const [id = ""] = await createEvents(1);
  running.simulator.setClock({ advance_seconds: 30 * day });
  const last = await stripe.events.retrieve(id);
  running.simulator.setClock({ advance_seconds: 1 });

  expect(last).toMatchObject({ id });
  await expect(stripe.events.retrieve(id)).rejects.toMatchObject({ statusCode: 404 });
  expect(await listed()).toEqual([]);
});

async function listed(params: Stripe.EventListParams = {}): Promise<string[]> {
  const { data } = await stripe.events.list({ limit: 100, ...params });
  return data.map(({ type }) => type);
}

/** Creates customers, and returns the ids of their events in the order of creation. */
async function createEvents(count: number): Promise<string[]> {
  for (let index = 0; index < count; index += 1) await stripe.customers.create();
  return running.simulator
    .events()
    .slice(-count)
    .map(({ id }) => id);
}
