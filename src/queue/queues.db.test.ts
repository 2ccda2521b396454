import { sql } from "kysely";
import { expect, onTestFinished } from "vitest";
import { migrate } from "../migrate/migrate.ts";
import { missingMigrations } from "../migrate/migrations.ts";
import { silentLog } from "../log.ts";
import { sweep } from "../worker/sweep.ts";
import { sealDueEntries } from "../outbox/seal.ts";
import { readTotal } from "../testing/rows/bill.ts";
import { appendEntries } from "../testing/rows/entries.ts";
import { fireCrons } from "../testing/rows/fire-crons.ts";
import { hoursAgo } from "../testing/rows/hours.ts";
import { loseQueueRows, readQueueFurniture } from "../testing/rows/queue-rows.ts";
import { roadTest } from "../testing/fixtures/road-fixture.ts";
import { until } from "../testing/processes/until.ts";
import { meterNames } from "../usage/meters.ts";
import { createBoss } from "./boss.ts";
import { type Reminder, remindToDeliver } from "./deliver-job.ts";
import { ensureCrons, ensureQueues } from "./install.ts";
import { deliverQueueOf, queues, sealQueue } from "./queues.ts";

const retry = { retryDelay: 1, retryDelayMax: 2, expireInSeconds: 45 };
const meter = "temperature_readings";
const queue = deliverQueueOf(meter);
const cronQueues = queues
  .filter(({ cron }) => cron !== undefined)
  .map(({ name }) => name)
  .toSorted();
const reminder: Reminder = {
  organizationId: "01a1fd79-0000-7000-8000-000000000001",
  meterEventId: "01a1fd79-0000-7000-8000-000000000002",
  meter,
  stripeCustomerId: "cus_1",
  ahead: 0,
};

roadTest("a second reminder of an event vanishes while the first waits", async ({ boss }) => {
  expect(await remindToDeliver(boss, [reminder])).toBe(1);
  expect(await remindToDeliver(boss, [reminder])).toBe(0);

  expect(await boss.fetch(queue, { batchSize: 10 })).toHaveLength(1);
});

roadTest("a second reminder of an event vanishes while the first is worked on", async ({ boss }) => {
  await remindToDeliver(boss, [reminder]);
  await boss.fetch(queue);

  expect(await remindToDeliver(boss, [reminder])).toBe(0);
});

roadTest("a second reminder of an event vanishes while the first waits for its retry", async ({ boss }) => {
  await remindToDeliver(boss, [reminder]);
  const [job] = await boss.fetch(queue);
  await boss.fail(queue, job?.id ?? "");

  expect(await remindToDeliver(boss, [reminder])).toBe(0);
});

roadTest("an event may be reminded of again when its job is done", async ({ boss }) => {
  await remindToDeliver(boss, [reminder]);
  const [job] = await boss.fetch(queue);
  await boss.complete(queue, job?.id ?? "");

  expect(await remindToDeliver(boss, [reminder])).toBe(1);
});

roadTest("a job of a customer waits while another of the same meter is worked on", async ({ boss }) => {
  const second = { ...reminder, meterEventId: "01a1fd79-0000-7000-8000-000000000003" };
  const other = { ...second, stripeCustomerId: "cus_2", meterEventId: reminder.organizationId };
  await remindToDeliver(boss, [reminder, second, other]);

  expect(await boss.fetch(queue, { batchSize: 10, groupConcurrency: 1 })).toHaveLength(2);
  expect(await boss.fetch(queue, { batchSize: 10, groupConcurrency: 1 })).toHaveLength(0);
});

roadTest("the sweep brings back pg-boss's queues, crons and version", async ({ database: { db }, boss }) => {
  await ensureQueues(boss);
  await ensureCrons(boss);
  const before = await readQueueFurniture(db);
  await loseQueueRows(db);

  await ensureQueues(boss);
  await ensureCrons(boss);

  expect(await readQueueFurniture(db)).toEqual(before);
});

roadTest("each cron has its time, in UTC", async ({ database: { db }, boss }) => {
  await ensureCrons(boss);

  const { rows } = await sql<{ name: string; cron: string; timezone: string }>`
    select name, cron, timezone from pgboss.schedule order by name
  `.execute(db);
  expect(rows).toEqual(
    [
      { name: "count-sensors", cron: "0 * * * *" },
      { name: "drop-partitions", cron: "53 3 * * *" },
      { name: "ensure-partitions", cron: "17 3 * * *" },
      { name: "purge-stripe-events", cron: "41 3 * * *" },
      { name: "reconcile", cron: "* * * * *" },
    ].map((one) => ({ ...one, timezone: "UTC" })),
  );
});

roadTest("when a cron's time comes, its queue gets a job", async ({ database, boss }) => {
  await ensureCrons(boss);

  await fireCrons(database);

  const readFired = async () =>
    (
      await sql<{ name: string }>`
      select distinct name from pgboss.job where name = any(${cronQueues}) order by name
    `.execute(database.db)
    ).rows.map(({ name }) => name);
  await expect.poll(readFired).toEqual(cronQueues);
});

roadTest(
  "crons fire and the seal runs after the database's clock was set back",
  async ({ database, boss }) => {
    const { db } = database;
    await ensureQueues(boss, retry);
    await ensureCrons(boss);
    await sql`update pgboss.schedule set cron = '* * * * *'`.execute(db);
    await sql`update pgboss.version set cron_on = now() + interval '1 day'`.execute(db);
    await sql`update pgboss.queue set monitor_claim_on = now() + interval '1 day'`.execute(db);
    await boss.send(sealQueue.name, {}, { startAfter: 86_400 });

    await sweep({ db, boss, log: silentLog }, retry);

    const options = { databaseUrl: database.as("worker").url, role: "worker", connectionsMax: 2 } as const;
    const other = createBoss(options, silentLog);
    onTestFinished(() => other.stop({ graceful: false }));
    await other.start();
    const readFired = async () =>
      (await sql`select from pgboss.job where name = 'reconcile'`.execute(db)).rows.length > 0;
    await until(readFired, { what: "a cron to fire" });
    expect(await boss.fetch(sealQueue.name)).toHaveLength(1);
    const ahead =
      await sql`select from pgboss.queue where monitor_claim_on > now() + interval '1 minute'`.execute(db);
    expect(ahead.rows).toEqual([]);
  },
);

roadTest.for<[string, { waits: number; interval: number; due: number }]>([
  ["is moved to now where the clock was set back by ten minutes", { waits: 630, interval: 30, due: 1 }],
  ["waits for its own turn of an hour", { waits: 3_600, interval: 3_600, due: 0 }],
])("a seal %s", async ([, { waits, interval, due }], { database: { db }, boss }) => {
  await ensureQueues(boss, retry);
  await boss.send(sealQueue.name, {}, { startAfter: waits });

  await sweep({ db, boss, log: silentLog }, retry, { sealIntervalSeconds: interval });

  expect(await boss.fetch(sealQueue.name)).toHaveLength(due);
});

roadTest(
  "everything is billed once when every row of pg-boss is lost under a running worker",
  async ({ database: { db }, boss, account, road }) => {
    const organizations = await joinWithUsage({ db, boss, road });
    // Requests are under way, so some jobs are lost while they are worked on.
    account.simulator.addFault({ kind: "latency", ms: 200, path: "/v1/billing/meter_events" });
    await road.startWorker();
    await until(() => account.simulator.state().counted > 0, { what: "the first event to be counted" });

    await loseQueueRows(db);
    for (const { id } of organizations)
      await appendEntries(db, id, [{ at: hoursAgo(1, 30), quantity: 1_000 }]);
    account.simulator.clearFaults();
    await sweep({ db, boss, log: silentLog }, { retryDelay: 1, retryDelayMax: 2, expireInSeconds: 45 });
    await road.untilBilled();

    const bills = await Promise.all(organizations.map(({ customer }) => readTotal(account, { customer })));
    expect(bills).toEqual([1_015, 1_015, 1_015]);
    expect(account.simulator.state()).toMatchObject({ double_counted: 0 });
  },
);

roadTest(
  "everything is billed once by a worker that starts after every row of pg-boss was lost",
  async ({ database: { db, url, grantRoles }, boss, account, road }) => {
    const organizations = await joinWithUsage({ db, boss, road });
    account.simulator.addFault({ kind: "latency", ms: 100, path: "/v1/billing/meter_events" });
    const first = await road.startWorker();
    await until(() => account.simulator.state().counted > 0, { what: "the first event to be counted" });

    await loseQueueRows(db);
    await first.stop(5_000);
    await migrate({ databaseUrl: url, log: silentLog });
    await grantRoles();
    await road.startWorker();
    await road.untilBilled();

    const bills = await Promise.all(organizations.map(({ customer }) => readTotal(account, { customer })));
    expect(bills).toEqual([15, 15, 15]);
    expect(account.simulator.state()).toMatchObject({ double_counted: 0 });
  },
);

roadTest("a lost version of pg-boss counts as a missing migration", async ({ database: { db } }) => {
  await sql`delete from pgboss.version`.execute(db);

  expect(await missingMigrations(db)).toEqual([expect.stringMatching(/^pg-boss \d+$/)]);
});

roadTest("pg-boss's tables of an unknown version are made anew by the migration", async ({ database }) => {
  const { db, url } = database;
  const before = await readQueueFurniture(db);
  await sql`delete from pgboss.version`.execute(db);
  await sql`alter table pgboss.queue drop column notify`.execute(db);

  await migrate({ databaseUrl: url, log: silentLog });

  expect(await missingMigrations(db)).toEqual([]);
  expect(await readQueueFurniture(db)).toEqual(before);
});

type Deps = Pick<Parameters<typeof sweep>[0], "db" | "boss">;

/** Three organizations with four sealed events each, of 1, 2, 4 and 8 readings. */
async function joinWithUsage({
  db,
  boss,
  road,
}: Deps & { road: { join: () => Promise<{ id: string; customer: string }> } }) {
  const organizations = [await road.join(), await road.join(), await road.join()];
  for (const { id } of organizations) {
    await appendEntries(
      db,
      id,
      [1, 2, 4, 8].map((quantity, index) => ({ at: hoursAgo(5 - index, 1), quantity })),
    );
  }
  await sealDueEntries({ db, boss }, { meters: meterNames });
  return organizations;
}
