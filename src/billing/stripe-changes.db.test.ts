import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import type { MeterEventKey } from "../usage/meter-event-key.ts";
import { attemptsPerSlot } from "../delivery/limits.ts";
import { pauseDelivery, readPauses, resumeDelivery } from "../delivery/pauses.ts";
import { holdSeal } from "../outbox/hold-seal.ts";
import { sealDueEntries } from "../outbox/seal.ts";
import { appendEntries } from "../testing/rows/entries.ts";
import { holdRequests } from "../testing/net/request-gate.ts";
import { hoursAgo } from "../testing/rows/hours.ts";
import { readSubscriptionOf } from "../testing/rows/inbox.ts";
import { addDueEvent, addMeterEvent, readMeterEvent } from "../testing/rows/meter-events.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { stripeSideTest as test } from "../testing/fixtures/stripe-side-fixture.ts";
import { until } from "../testing/processes/until.ts";
import { meterNames } from "../usage/meters.ts";

const countingNobody = { BILLABLE_STATUSES: [] };

test("a deleted customer is unlinked, what waits for it is rejected and not sent, and later usage is held", async ({
  api,
  database: { db },
  boss,
  account: { simulator, stripe },
  stripeSide,
}) => {
  await pauseDelivery(db, "the test's");
  await stripeSide.startWorker(countingNobody);
  const organizationId = await addOrganization(db);
  const { customer } = await stripeSide.checkOut({ organizationId });
  await stripeSide.untilHandled();
  const waiting = await addDueEvent(
    { db, boss },
    { organization_id: organizationId, stripe_customer_id: customer },
  );
  const ofOthers = await addDueEvent(
    { db, boss },
    { stripe_customer_id: (await stripe.customers.create()).id },
  );

  await stripe.customers.del(customer);
  await stripeSide.untilHandled();
  await appendEntries(db, organizationId, [{ at: hoursAgo(1, 5), quantity: 7 }]);
  await resumeDelivery(db);
  await until(async () => (await readMeterEvent(db, ofOthers)).state === "delivered", {
    what: "others' usage to be delivered",
  });
  await sealDueEntries({ db, boss }, { meters: meterNames });

  expect(await readSubscriptionOf(db, organizationId)).toMatchObject({ customer: null, status: "canceled" });
  expect(await readMeterEvent(db, waiting)).toMatchObject({ state: "rejected", reason: "customer_deleted" });
  expect(stripeSide.loggedAt("warn")).toContainEqual(
    expect.objectContaining({ meter_event_id: waiting.meterEventId, reason: "customer_deleted" }),
  );
  expect(stripeSide.loggedAt("warn").filter(({ event }) => event === "customer_faulty")).toMatchObject([
    { organization_id: organizationId, stripe_customer_id: customer, fault: "deleted" },
  ]);
  expect(simulator.meterEvents().map(({ identifier }) => identifier)).toEqual([ofOthers.meterEventId]);
  expect((await api.ask("GET", "/v1/outbox", { token: api.adminToken })).body).toMatchObject({
    unsealed: { quantity: 7, held: { entries: 1, quantity: 7 } },
  });
});

test("an attempt under way when its customer is deleted is the last one", async ({
  database: { db },
  boss,
  account,
  stripeSide,
}) => {
  const { simulator, stripe } = account;
  const { id: customer } = await stripe.customers.create();
  const organizationId = await addOrganization(db, { customer });
  const path = "/v1/billing/meter_events";
  simulator.addFault({ kind: "status", status: 500, path });
  const way = await holdRequests(account.url, path);
  const key = await addDueEvent(
    { db, boss },
    { organization_id: organizationId, stripe_customer_id: customer },
  );
  await stripeSide.startWorker({ ...countingNobody, STRIPE_API_BASE: way.url, STRIPE_TIMEOUT_MS: 40_000 });
  await until(() => way.held() === 1, { what: "an attempt" });

  await stripe.customers.del(customer);
  await stripeSide.untilHandled();
  const rejected = await readMeterEvent(db, key);
  way.open();
  await until(() => stripeSide.log.some(({ event }) => event === "settle_overtaken"), {
    what: "the attempt's end",
  });

  expect(rejected).toMatchObject({ state: "rejected", reason: "customer_deleted", attempts_finished: 0 });
  expect(await readMeterEvent(db, key)).toEqual(rejected);
});

test("what a seal is making for a customer while Stripe deletes it is rejected too", async ({
  database: { db },
  account: { stripe },
  stripeSide,
}) => {
  await stripeSide.startWorker(countingNobody);
  const { id: customer } = await stripe.customers.create();
  const organizationId = await addOrganization(db, { customer });
  const made = Promise.withResolvers<MeterEventKey>();
  const mayCommit = Promise.withResolvers<void>();
  const sealing = db.transaction().execute(async (trx) => {
    await holdSeal(trx);
    made.resolve(await addMeterEvent(trx, { organization_id: organizationId, stripe_customer_id: customer }));
    await mayCommit.promise;
  });
  const key = await made.promise;

  await stripe.customers.del(customer);
  await until(() => isWaitingForSeal(db), { what: "the handler to wait for the seal" });
  mayCommit.resolve();
  await sealing;
  await stripeSide.untilHandled();

  expect(await readMeterEvent(db, key)).toMatchObject({ state: "rejected", reason: "customer_deleted" });
});

async function isWaitingForSeal(db: Db): Promise<boolean> {
  const { rows } = await sql`
    select from pg_stat_activity where datname = current_database() and wait_event = 'advisory'
  `.execute(db);
  return rows.length > 0;
}

test("a draft invoice sends its organization's usage ahead of five hundred events of others", async ({
  database: { db },
  boss,
  account: { simulator },
  stripeSide,
}) => {
  await pauseDelivery(db, "the test's");
  const concurrency = 5;
  await stripeSide.startWorker({
    ...countingNobody,
    DELIVERY_CONCURRENCY: concurrency,
    SEAL_INTERVAL_SECONDS: 3_600,
  });
  const organizationId = await addOrganization(db);
  const { customer, subscription } = await stripeSide.checkOut({ organizationId });
  await stripeSide.untilHandled();
  const customers = Array.from({ length: 500 }, (_, n) => `cus_other_${n}`);
  simulator.addCustomers(...customers);
  await addOrganizations(customers);
  await sealDueEntries({ db, boss }, { meters: meterNames });
  await appendEntries(db, organizationId, [
    { at: hoursAgo(3), quantity: 1 },
    { at: hoursAgo(2), quantity: 2 },
    { at: hoursAgo(1), quantity: 4 },
  ]);

  simulator.cycleSubscription(subscription);
  await stripeSide.untilHandled();
  await resumeDelivery(db);
  await until(() => simulator.meterEvents({ customer }).length === 3, { what: "the usage to arrive" });

  await expect.poll(() => stripeSide.effectsOf(stripeSide.eventOf("invoice.created"))).toEqual(["flushed"]);
  const arrived = simulator.meterEvents().map((event) => event.customer);
  // A customer's events go one after the other, and each is among the first that may go.
  expect(arrived.indexOf(customer)).toBeLessThan(attemptsPerSlot * concurrency);
  expect(arrived.lastIndexOf(customer)).toBeLessThan(250);

  async function addOrganizations(names: readonly string[]): Promise<void> {
    await sql`
      with organizations as (
        insert into metering.organizations (id, name)
        select metering.uuid_v7(clock_timestamp()), name from unnest(${names}::text[]) as n (name)
        returning id, name
      ),
      pairs as (
        insert into metering.customer_organizations (stripe_customer_id, organization_id)
        select name, id from organizations
      ),
      subscriptions as (
        insert into metering.subscriptions (organization_id, stripe_customer_id, status)
        select id, name, 'active' from organizations
      )
      insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity)
      select id, ${hoursAgo(5)}, metering.uuid_v7(${hoursAgo(5)}), 'temperature_readings', 1 from organizations
    `.execute(db);
  }
});

test("a draft invoice's usage is sealed however much of others waits", async ({
  database: { db },
  boss,
  account: { simulator },
  stripeSide,
}) => {
  await pauseDelivery(db, "the test's");
  await stripeSide.startWorker({ ...countingNobody, SEAL_INTERVAL_SECONDS: 3_600 });
  const organizationId = await addOrganization(db);
  const { subscription } = await stripeSide.checkOut({ organizationId });
  await stripeSide.untilHandled();
  const other = await addOrganization(db, { customer: "cus_other" });
  await sql`
    insert into metering.meter_events
      (organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id)
    select ${other}, metering.uuid_v7(clock_timestamp()), 'temperature_readings', ${hoursAgo(1)}, 1, ${hoursAgo(1)}, 1, 'cus_other'
    from generate_series(1, 10000)
  `.execute(db);
  await appendEntries(db, organizationId, [{ at: hoursAgo(1), quantity: 4 }]);
  const usual = await sealDueEntries({ db, boss }, { meters: meterNames });

  simulator.cycleSubscription(subscription);
  await stripeSide.untilHandled();

  const { rows } = await sql`
    select quantity::int as quantity from metering.meter_events where organization_id = ${organizationId}
  `.execute(db);
  expect(usual.stopped).toBe("too_many_undelivered");
  expect(rows).toEqual([{ quantity: 4 }]);
});

test("a meter that Stripe deactivates is paused alone, and goes on when it is reactivated", async ({
  database: { db },
  boss,
  account: { simulator, stripe, meterIds },
  stripeSide,
}) => {
  await stripeSide.startWorker(countingNobody);
  const { id: customer } = await stripe.customers.create();
  const organizationId = await addOrganization(db, { customer });
  const of = { organization_id: organizationId, stripe_customer_id: customer };

  await stripe.billing.meters.deactivate(meterIds.temperature_readings);
  await stripeSide.untilHandled();
  const paused = await readPauses(db);
  const readings = await addDueEvent({ db, boss }, of);
  const sensors = await addDueEvent({ db, boss }, { ...of, meter: "active_sensors" });
  const isDelivered = async (key: typeof sensors) => (await readMeterEvent(db, key)).state === "delivered";
  await until(() => isDelivered(sensors), { what: "the other meter's event" });
  const meanwhile = await readMeterEvent(db, readings);
  await stripe.billing.meters.reactivate(meterIds.temperature_readings);
  await stripeSide.untilHandled();
  await until(() => isDelivered(readings), { what: "the meter's event" });

  expect(paused).toMatchObject([{ scope: "temperature_readings", reason: "meter_deactivated" }]);
  const scope = "temperature_readings";
  expect(stripeSide.loggedAt("error")).toEqual([
    {
      event: "delivery_paused",
      scope,
      reason: "meter_deactivated",
      event_id: stripeSide.eventOf("billing.meter.deactivated"),
    },
  ]);
  expect(stripeSide.loggedAt("info")).toContainEqual({
    event: "delivery_resumed",
    scope,
    event_id: stripeSide.eventOf("billing.meter.reactivated"),
  });
  expect(meanwhile).toMatchObject({ state: "pending" });
  expect(await readPauses(db)).toEqual([]);
  expect(simulator.meterEvents()).toHaveLength(2);
});

test("the late word that a meter was deactivated does not pause it again", async ({
  database: { db },
  account: { simulator, stripe, meterIds },
  stripeSide,
}) => {
  await stripeSide.startWorker(countingNobody);
  simulator.setSettings({ webhook_hold: true });
  await stripe.billing.meters.deactivate(meterIds.active_sensors);
  await stripe.billing.meters.reactivate(meterIds.active_sensors);

  await simulator.release({ order: "reversed" });
  await stripeSide.untilHandled();

  expect(await readPauses(db)).toEqual([]);
});
