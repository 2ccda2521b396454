import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { sensorsQueue } from "../queue/queues.ts";
import { movedBack } from "../testing/rows/moved-back.ts";
import { readHours } from "../testing/rows/bill.ts";
import { appendEntries } from "../testing/rows/entries.ts";
import { fireCrons } from "../testing/rows/fire-crons.ts";
import { hourMs, hoursAgo } from "../testing/rows/hours.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { stripeSideTest as test } from "../testing/fixtures/stripe-side-fixture.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { until } from "../testing/processes/until.ts";
import { watchSensorChanges } from "./count-sensors-job.ts";
import { registerSensors } from "./sensors.ts";

const organizationCount = 20;
const orderCount = 6;

test("three workers that are told to count over and over count each organization's hour once", async ({
  database: { db },
  boss,
  stripeSide,
}) => {
  for (let n = 0; n < organizationCount; n += 1) {
    const id = await addOrganization(db, { customer: `cus_${n}` });
    await registerSensors(db, id, [{ id: "a" }, { id: "b" }]);
  }
  await Promise.all([stripeSide.startWorker(), stripeSide.startWorker(), stripeSide.startWorker()]);

  // Each its own key, so that pg-boss itself keeps none of them back.
  const orders = Array.from({ length: orderCount }, (_, n) => ({ singletonKey: `order ${n}` }));
  await boss.insert(sensorsQueue.name, orders);
  await until(async () => (await countWorked(db)) >= orderCount, { what: "every order to be worked" });

  const counts = await readCounts(db);
  expect(counts).toEqual(
    Array.from({ length: organizationCount }, () => ({
      hours: counts[0]?.hours,
      entries: counts[0]?.hours,
      active: 2,
    })),
  );
  // Two, where the full hour came in between.
  expect([1, 2]).toContain(counts[0]?.hours);
});

test("the hourly cron has a running worker count", async ({ database, stripeSide }) => {
  const { db } = database;
  const id = await addOrganization(db, { customer: "cus_1" });
  await registerSensors(db, id, [{ id: "a" }, { id: "b" }]);
  await stripeSide.startWorker();
  // A worker registers its crons one after the other.
  const schedule = sql`select from pgboss.schedule where name = ${sensorsQueue.name}`;
  const isCronThere = async () => (await schedule.execute(db)).rows.length > 0;
  await until(async () => (await readCounts(db)).length > 0 && (await isCronThere()), {
    what: "the worker to have begun",
  });
  // As if the next hour had come: it has no count, and no sensor has changed.
  await sql`delete from metering.sensor_counts`.execute(db);
  await sql`delete from metering.sensor_changes`.execute(db);

  await fireCrons(database);

  await until(async () => (await readCounts(db)).length > 0, { what: "the count that the cron asked for" });
  expect(await readCounts(db)).toMatchObject([{ hours: 1, active: 2 }]);
});

test("a worker that starts counts the hour that was missed, and tells of those before", async ({
  database: { db },
  stripeSide,
}) => {
  const id = await addOrganization(db, { customer: "cus_1" });
  await registerSensors(db, id, [{ id: "a" }]);
  await sql`
    insert into metering.sensor_counts (organization_id, hour, active_sensors)
    values (${id}, ${hoursAgo(3)}, 9)
  `.execute(db);

  await stripeSide.startWorker();
  const { hour } = await until(() => stripeSide.log.find(({ event }) => event === "sensors_counted"), {
    what: "a count",
  });

  // Two, unless a full hour came in between.
  const hours = (Date.parse(String(hour)) - hoursAgo(2).getTime()) / hourMs;
  expect(stripeSide.log).toContainEqual(expect.objectContaining({ event: "sensor_counts_missed", hours }));
  expect(await readCounts(db)).toEqual([{ hours: 2, entries: 1, active: 1 }]);
});

test("an organization is counted as soon as it is linked, and its usage shows the count", async ({
  api,
  database: { db },
  account,
  stripeSide,
}) => {
  await stripeSide.startWorker();
  const { id: organizationId, key } = await api.join();
  await registerSensors(db, organizationId, [{ id: "a" }, { id: "b" }, { id: "c" }]);
  const { customer } = await stripeSide.checkOut({ organizationId });
  await stripeSide.untilHandled();
  await until(() => account.simulator.meterEvents({ customer })[0], { what: "the count to reach Stripe" });

  const from = hoursAgo(0).toISOString();
  const to = hoursAgo(-2).toISOString();
  const path = `/v1/usage?meter=active_sensors&from=${from}&to=${to}`;
  const usage = () => api.ask("GET", path, { token: key });
  await until(async () => JSON.stringify((await usage()).body["data"]).includes('"delivered":3'), {
    what: "the count to be settled",
  });

  expect((await usage()).body["data"]).toContainEqual(expect.objectContaining({ quantity: 3, delivered: 3 }));
});

test("a worker counts what has changed before it started, and what changes from then on", async ({
  database: { db },
  stripeSide,
}) => {
  const id = await addOrganization(db, { customer: "cus_1" });
  await registerSensors(db, id, [{ id: "a" }]);
  await sql`update metering.sensor_changes set changed_at = ${movedBack("changed_at", sql`interval '1 minute'`)}`.execute(
    db,
  );

  await stripeSide.startWorker();
  const waiting = async () =>
    (
      await sql`select from metering.sensor_changes where changed_at < now() - interval '30 seconds'`.execute(
        db,
      )
    ).rows.length;
  await until(async () => (await waiting()) === 0, { what: "the change to be counted" });

  expect(await readCounts(db)).toMatchObject([{ active: 1 }]);
});

test("a change is noticed by the loop that looks for changes", async ({ database }) => {
  const { db } = database;
  const id = await addOrganization(db, { customer: "cus_1" });
  const { log, events } = createRecordingLog();
  const looking = watchSensorChanges(
    { db: database.as("worker").db, log },
    { billableStatuses: ["active"], lookEvery: 20, quietSeconds: 0 },
  );
  await registerSensors(db, id, [{ id: "a" }, { id: "b" }]);
  await until(async () => (await readCounts(db))[0]?.active === 2, { what: "two sensors to be counted" });
  await looking.stop();

  expect(events).toContainEqual(expect.objectContaining({ event: "sensors_counted", organizations: 1 }));
});

test("the last count of a billing period is delivered inside it", async ({
  database: { db },
  account,
  road,
  stripeSide,
}) => {
  const { simulator, stripe } = account;
  const { id: customer } = await stripe.customers.create();
  const boundary = hoursAgo(1, 30);
  const id = await addOrganization(db, { customer, periodStart: hoursAgo(700), periodEnd: boundary });
  await appendEntries(db, id, [
    { meter: "active_sensors", at: hoursAgo(2), quantity: 4 },
    { meter: "active_sensors", at: new Date(boundary.getTime() - 1), quantity: 5 },
    { meter: "active_sensors", at: boundary, quantity: 9 },
  ]);

  await stripeSide.startWorker({ BILLABLE_STATUSES: [] });
  await road.untilBilled();

  const seconds = boundary.getTime() / 1_000;
  expect(simulator.bill({ customer, end_time: seconds })).toMatchObject([{ total: "5" }]);
  expect(simulator.bill({ customer, start_time: seconds })).toMatchObject([{ total: "9" }]);
});

test("what an organization used before it had a customer is held, then billed in its own hours", async ({
  api,
  database: { db },
  account,
  stripeSide,
}) => {
  await stripeSide.startWorker({ BILLABLE_STATUSES: [] });
  const organizationId = await addOrganization(db);
  const used = [3, 2, 1].map((hours) => ({ at: hoursAgo(hours, 10), quantity: hours * 10 }));
  await appendEntries(db, organizationId, used);
  await appendEntries(db, organizationId, [{ at: hoursAgo(3, 50), quantity: 1 }]);
  const before = await api.ask("GET", "/v1/outbox", { token: api.adminToken });

  const { customer } = await stripeSide.checkOut({ organizationId });
  await stripeSide.untilHandled();
  await until(() => account.simulator.meterEvents({ customer }).length === 3, {
    what: "three hours of usage",
  });

  expect(before.body).toMatchObject({ unsealed: { entries: 4, held: { entries: 4, quantity: 61 } } });
  expect(await readHours(account, { customer })).toEqual(
    new Map([
      [hoursAgo(3).toISOString(), 31],
      [hoursAgo(2).toISOString(), 20],
      [hoursAgo(1).toISOString(), 10],
    ]),
  );
  const times = account.simulator.meterEvents({ customer }).map(({ timestamp }) => timestamp);
  const latest = [hoursAgo(3, 50), hoursAgo(2, 10), hoursAgo(1, 10)].map((at) => at.getTime() / 1_000);
  expect(times.toSorted((a, b) => a - b)).toEqual(latest);
});

async function countWorked(db: Db): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from pgboss.job where name = ${sensorsQueue.name} and state = 'completed'
  `.execute(db);
  return rows[0]?.count ?? 0;
}

async function readCounts(db: Db) {
  const { rows } = await sql<{ hours: number; entries: number; active: number }>`
    select
      count(*)::int as hours,
      (
        select count(*)::int from metering.meter_outbox e
        where e.organization_id = c.organization_id and e.meter = 'active_sensors'
      ) as entries,
      min(active_sensors)::int as active
    from metering.sensor_counts c
    group by organization_id
  `.execute(db);
  return rows;
}
