import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { createStripeReads } from "../stripe/reads.ts";
import { createStripe } from "../stripe/client.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { roadTest } from "../testing/fixtures/road-fixture.ts";
import type { SubscriptionRead } from "../stripe/read-subscriptions.ts";
import { type ApplyDeps, applyStripeEvent } from "./apply-event.ts";
import { beginHandling, storeStripeEvent } from "./inbox.ts";
import type { StripeEvent } from "./stripe-event.ts";

const test = roadTest.extend("deps", async ({ database, boss, account }): Promise<ApplyDeps> => {
  const stripe = createStripe({ apiKey: account.secretKey, apiBase: account.url, timeoutMs: 15_000 });
  const eventNames = { temperature_readings: "temperature_readings", active_sensors: "active_sensors" };
  return { db: database.db, boss, reads: createStripeReads(stripe, account.secretKey), eventNames };
});

function eventOf(id: string, type: string, object: object): StripeEvent {
  return { id, object: "event", type, livemode: false, data: { object: { ...object } } };
}

async function deliver(deps: ApplyDeps, event: StripeEvent) {
  await storeStripeEvent(deps, event);
  return applyStripeEvent(deps, event);
}

async function readSubscriptions(db: Db) {
  const { rows } = await sql<{ customer: string | null; subscription: string; status: string }>`
    select stripe_customer_id as customer, stripe_subscription_id as subscription, status
    from metering.subscriptions
  `.execute(db);
  return rows;
}

const statuses = ["trialing", "active", "past_due", "unpaid", "canceled"];

/** A subscription that bills a meter. */
function billing(meterId: string): Omit<SubscriptionRead, "status"> {
  const at = new Date("2026-11-01T00:00:00Z");
  const period = { periodStart: at, periodEnd: new Date("2026-12-01T00:00:00Z") };
  return {
    id: "sub_1",
    createdAt: at,
    startedAt: at,
    endedAt: null,
    isCollectionPaused: false,
    trial: null,
    items: [{ meterId, ...period }],
  };
}

/** A Stripe whose subscription changes with every read; each read takes its own time. */
function movingReads(reads: ApplyDeps["reads"], base: SubscriptionRead): ApplyDeps["reads"] {
  let reading = 0;
  return {
    ...reads,
    async readSubscriptions() {
      const status = statuses[Math.min(reading, statuses.length - 1)] ?? "canceled";
      reading += 1;
      // Answers overtake each other: a later read may come back first.
      for (let turn = 0; turn < (reading * 7) % 5; turn += 1) await new Promise(setImmediate);
      return [{ ...base, status }];
    },
  };
}

test("a paid checkout links organization, customer and subscription with Stripe's period", async ({
  deps,
  account,
}) => {
  const id = await addOrganization(deps.db);
  const customer = await account.stripe.customers.create({ name: "Acme" });
  const subscription = await account.stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: account.priceIds.temperature_readings }],
  });
  const session = {
    mode: "subscription",
    payment_status: "paid",
    client_reference_id: id,
    customer: customer.id,
    subscription: subscription.id,
  };

  const applied = await deliver(deps, eventOf("evt_1", "checkout.session.completed", session));

  expect(applied).toMatchObject({ kind: "done", effect: "linked" });
  expect(await readSubscriptions(deps.db)).toEqual([
    { customer: customer.id, subscription: subscription.id, status: "active" },
  ]);
});

test("twenty events of one subscription, handled at once and in any order, leave its newest state", async ({
  deps,
  account,
}) => {
  const id = await addOrganization(deps.db, { customer: "cus_1" });
  await sql`update metering.subscriptions set stripe_subscription_id = 'sub_1' where organization_id = ${id}`.execute(
    deps.db,
  );
  const base = { ...billing(account.meterIds.temperature_readings), status: "active" };
  const moving = { ...deps, reads: movingReads(deps.reads, base) };
  const events = Array.from({ length: 20 }, (_, n) =>
    eventOf(`evt_${n}`, "customer.subscription.updated", { id: "sub_1", customer: "cus_1" }),
  );

  await Promise.all(events.map((event) => deliver(moving, event)));

  expect(await readSubscriptions(deps.db)).toMatchObject([{ status: "canceled" }]);
});

test("events of a backlog that had arrived when their customer was last read ask Stripe nothing", async ({
  deps,
  account,
}) => {
  const customer = await account.stripe.customers.create({ name: "Acme" });
  const subscription = await account.stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: account.priceIds.temperature_readings }],
  });
  await addOrganization(deps.db, { customer: customer.id });
  const reads = () => account.simulator.requests().by_route["GET /v1/subscriptions"] ?? 0;
  const update = (id: string) => eventOf(id, "customer.subscription.updated", subscription);
  const handle = async (ids: string[], arrived: string) => {
    const events = ids.map(update);
    for (const event of events) await storeStripeEvent(deps, event);
    await sql`
      update metering.stripe_events set received_at = now() - ${arrived}::interval where state = 'pending'
    `.execute(deps.db);
    const effects = [];
    for (const event of events) {
      const applied = await applyStripeEvent(deps, event);
      effects.push(applied.kind === "done" ? applied.effect : applied.kind);
    }
    return effects;
  };

  expect(await handle(["evt_1", "evt_2"], "5 seconds")).toEqual(["synced", "synced"]);
  expect(await handle(["evt_3", "evt_4"], "2 minutes")).toEqual(["read_since", "read_since"]);
  expect(reads()).toBe(2);

  await sql`update metering.subscriptions set read_began_at = now() - interval '3 minutes'`.execute(deps.db);
  expect(await handle(["evt_5", "evt_6"], "2 minutes")).toEqual(["synced", "read_since"]);
  expect(reads()).toBe(3);
  expect(await readSubscriptions(deps.db)).toMatchObject([{ subscription: subscription.id }]);
});

test("a read that began before the stored one changes nothing", async ({ deps, account }) => {
  const id = await addOrganization(deps.db, { customer: "cus_1" });
  await sql`update metering.subscriptions set stripe_subscription_id = 'sub_1' where organization_id = ${id}`.execute(
    deps.db,
  );
  const base = billing(account.meterIds.temperature_readings);
  const slowAnswer = Promise.withResolvers<SubscriptionRead[]>();
  const begun = Promise.withResolvers<void>();
  const slow = {
    ...deps.reads,
    readSubscriptions: () => {
      begun.resolve();
      return slowAnswer.promise;
    },
  };
  const quick = { ...deps.reads, readSubscriptions: async () => [{ ...base, status: "canceled" }] };

  const late = deliver(
    { ...deps, reads: slow },
    eventOf("evt_1", "customer.subscription.updated", { id: "sub_1", customer: "cus_1" }),
  );
  await begun.promise;
  await deliver(
    { ...deps, reads: quick },
    eventOf("evt_2", "customer.subscription.deleted", { id: "sub_1", customer: "cus_1" }),
  );
  slowAnswer.resolve([{ ...base, status: "active" }]);
  await late;

  expect(await readSubscriptions(deps.db)).toMatchObject([{ status: "canceled" }]);
});

test("one event handled twenty times at once takes effect once", async ({ deps }) => {
  await addOrganization(deps.db, { customer: "cus_1" });
  const event = eventOf("evt_1", "customer.deleted", { id: "cus_1" });
  await storeStripeEvent(deps, event);

  const applied = await Promise.all(Array.from({ length: 20 }, () => applyStripeEvent(deps, event)));

  const effects = applied.map((one) => (one.kind === "done" ? one.effect : one.reason));
  expect(effects.filter((effect) => effect === "unlinked")).toHaveLength(1);
});

test("a handler that dies before its commit leaves the event for the next", async ({ deps }) => {
  const id = await addOrganization(deps.db, { customer: "cus_1" });
  const event = eventOf("evt_1", "customer.deleted", { id: "cus_1" });
  await storeStripeEvent(deps, event);
  await beginHandling(deps.db, event.id);

  const applied = await applyStripeEvent(deps, event);

  expect(applied).toMatchObject({ kind: "done", effect: "unlinked" });
  expect(await readSubscriptions(deps.db)).toMatchObject([{ customer: null, status: "canceled" }]);
  expect(id).toBeDefined();
});

test("a checkout of an unknown organization can never be applied, and says so", async ({ deps, account }) => {
  const customer = await account.stripe.customers.create({ name: "Acme" });
  const subscription = await account.stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: account.priceIds.temperature_readings }],
  });
  const session = {
    mode: "subscription",
    payment_status: "paid",
    client_reference_id: "01a1fd84-aad0-7fd8-87c3-956ea5c0f2ee",
    customer: customer.id,
    subscription: subscription.id,
  };

  const applied = await deliver(deps, eventOf("evt_1", "checkout.session.completed", session));

  expect(applied).toMatchObject({ kind: "unusable" });
});
