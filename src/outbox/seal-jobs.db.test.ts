import { sql } from "kysely";
import type { PgBoss } from "pg-boss";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { ensureQueues } from "../queue/install.ts";
import { type DeliverJob, deliverQueueOf, sealQueue } from "../queue/queues.ts";
import { appendEntries, appendHours } from "../testing/rows/entries.ts";
import { hoursAgo } from "../testing/rows/hours.ts";
import { readMeterEvents } from "../testing/rows/meter-event-rows.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { countDone, loseQueueRows } from "../testing/rows/queue-rows.ts";
import { refuseJobs } from "../testing/rows/refused-jobs.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { until } from "../testing/processes/until.ts";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import { meterNames } from "../usage/meters.ts";
import { remindToSeal, requestSeal, workSealQueue } from "./seal-job.ts";
import { reportUnsealed } from "./report.ts";
import { sealDueEntries } from "./seal.ts";

const meters = meterNames;

test("every sealed event has one job, which names it", async ({ database, boss }) => {
  const { db } = database;
  const acme = await addOrganization(db, { customer: "cus_acme" });
  await appendEntries(db, acme, [
    { at: hoursAgo(2, 1), quantity: 1 },
    { at: hoursAgo(1, 1), quantity: 1 },
    { at: hoursAgo(1, 1), quantity: 1, meter: "active_sensors" },
  ]);

  await sealDueEntries({ db, boss }, { meters });

  const jobs = (await Promise.all(meters.map((meter) => fetchAll(boss, meter)))).flat();
  const events = await readMeterEvents(db);
  expect(jobs.map(({ meterEventId }) => meterEventId).toSorted()).toEqual(
    events.map(({ id }) => id).toSorted(),
  );
});

test("nothing is sealed when the jobs cannot be written", async ({ database, boss }) => {
  const { db } = database;
  const acme = await addOrganization(db, { customer: "cus_acme" });
  await appendEntries(db, acme, [{ at: hoursAgo(1, 1), quantity: 5 }]);
  await failInserts(db, "pgboss.job_common");

  await expect(sealDueEntries({ db, boss }, { meters })).rejects.toThrow("refused for the test");

  expect(await readMeterEvents(db)).toEqual([]);
  expect(await reportUnsealed(db)).toMatchObject({ entries: 1, quantity: 5 });
});

test("nothing is sealed while pg-boss's queues are lost, and all of it with its jobs afterwards", async ({
  database,
  boss,
}) => {
  const { db } = database;
  const acme = await addOrganization(db, { customer: "cus_acme" });
  await appendHours(db, acme, [3]);
  await sealDueEntries({ db, boss }, { meters });
  await loseQueueRows(db);
  await appendHours(db, acme, [2, 1]);

  await expect(sealDueEntries({ db, boss }, { meters })).rejects.toThrow("nothing was sealed");

  expect(await reportUnsealed(db)).toMatchObject({ entries: 2, quantity: 2 });
  await ensureQueues(boss);
  await sealDueEntries({ db, boss }, { meters });
  expect(await fetchAll(boss, "temperature_readings")).toHaveLength(2);
});

test("no job is left when the seal cannot commit", async ({ database, boss }) => {
  const { db } = database;
  const acme = await addOrganization(db, { customer: "cus_acme" });
  await appendEntries(db, acme, [{ at: hoursAgo(1, 1), quantity: 5 }]);
  await failCommits(db, "metering.meter_events");

  await expect(sealDueEntries({ db, boss }, { meters })).rejects.toThrow(
    // A cluster does not pass on what a node said to the commit, so that the node is taken for away.
    /refused for the test|some organizations could not be sealed/,
  );

  expect(await fetchAll(boss, "temperature_readings")).toEqual([]);
  expect(await reportUnsealed(db)).toMatchObject({ entries: 1, quantity: 5 });
});

test("each organization's first event goes before anybody's second", async ({ database, boss }) => {
  const { db } = database;
  const [large, middle, small] = [
    await addOrganization(db, { customer: "cus_large" }),
    await addOrganization(db, { customer: "cus_middle" }),
    await addOrganization(db, { customer: "cus_small" }),
  ];
  await appendHours(db, large, [9, 8, 7, 6]);
  await appendHours(db, middle, [5, 4]);
  await appendHours(db, small, [1]);

  await sealDueEntries({ db, boss }, { meters, eventsPerTransaction: 1 });

  const order = (await fetchAll(boss, "temperature_readings")).map(({ organizationId }) => organizationId);
  expect(new Set(order.slice(0, 3))).toEqual(new Set([large, middle, small]));
  expect(new Set(order.slice(3, 5))).toEqual(new Set([large, middle]));
  expect(order.slice(5)).toEqual([large, large]);
});

test("an organization with undelivered events lets those without go first", async ({ database, boss }) => {
  const { db } = database;
  const early = await addOrganization(db, { customer: "cus_early" });
  await appendHours(db, early, [5, 4]);
  await sealDueEntries({ db, boss }, { meters });
  const late = await addOrganization(db, { customer: "cus_late" });
  await appendHours(db, early, [3]);
  await appendHours(db, late, [2]);

  await sealDueEntries({ db, boss }, { meters });

  const order = (await fetchAll(boss, "temperature_readings")).map(({ organizationId }) => organizationId);
  expect(order).toEqual([early, late, early, early]);
});

test("an organization that is sealed first is sealed alone, and goes ahead of all", async ({
  database,
  boss,
}) => {
  const { db } = database;
  const early = await addOrganization(db, { customer: "cus_early" });
  await appendHours(db, early, [5]);
  await sealDueEntries({ db, boss }, { meters });
  const late = await addOrganization(db, { customer: "cus_late" });
  await appendHours(db, early, [4]);
  await appendHours(db, late, [3, 2]);

  await sealDueEntries({ db, boss }, { meters, onlyOrganizationId: late });

  const order = (await fetchAll(boss, "temperature_readings")).map(({ organizationId }) => organizationId);
  expect(order).toEqual([late, late, early]);
  expect(await reportUnsealed(db)).toMatchObject({ entries: 1 });
});

test("what an operator asked to seal is sealed to the last entry, however long it takes and while sending is paused", async ({
  database: { db },
  boss,
}) => {
  const acme = await addOrganization(db, { customer: "cus_acme" });
  const hours = Array.from({ length: 20 }, (_, n) => n + 1);
  await appendHours(db, acme, hours);

  const { log } = createRecordingLog();
  await workSealQueue(
    { db, boss, log },
    // Each seal's time is over after its first transaction.
    { intervalSeconds: 1, secondsMax: 0, openMeters: () => Promise.resolve([]) },
  );
  await requestSeal(boss);

  await until(async () => (await reportUnsealed(db)).entries === 0, { what: "all to be sealed" });
  expect(await readMeterEvents(db)).toHaveLength(hours.length);
});

test("a seal whose next reminder the database refuses sends it as soon as it can", async ({
  database,
  boss,
}) => {
  const { log, events } = createRecordingLog();
  const options = { intervalSeconds: 1, openMeters: () => Promise.resolve(meters) };
  await workSealQueue({ db: database.db, boss, log }, options);
  await remindToSeal(boss, { afterSeconds: 0 });
  const sealed = () => countDone(boss, sealQueue.name);
  await until(async () => (await sealed()) > 0, { what: "a seal" });
  const allowJobs = await refuseJobs(database.db, "insert");
  await until(() => events.some(({ event }) => event === "job_failed"), { what: "a seal to fail" });

  await allowJobs();
  const before = await sealed();

  await until(async () => (await sealed()) > before, { what: "the next seal" });
});

/** Takes a meter's jobs one by one, in the order in which workers get them. */
async function fetchAll(boss: PgBoss, meter: (typeof meters)[number]): Promise<DeliverJob[]> {
  const fetched: DeliverJob[] = [];
  for (;;) {
    const [job] = await boss.fetch<DeliverJob>(deliverQueueOf(meter));
    if (job === undefined) return fetched;
    fetched.push(job.data);
  }
}

async function failInserts(db: Db, table: string): Promise<void> {
  await addRefusal(db);
  await sql`create trigger refused before insert on ${sql.table(table)} execute function metering.refuse()`.execute(
    db,
  );
}

async function failCommits(db: Db, table: string): Promise<void> {
  await addRefusal(db);
  await sql`
    create constraint trigger refused after insert on ${sql.table(table)}
    deferrable initially deferred for each row execute function metering.refuse()
  `.execute(db);
}

async function addRefusal(db: Db): Promise<void> {
  await sql`
    create function metering.refuse() returns trigger language plpgsql
    as $$ begin raise exception 'refused for the test'; end $$
  `.execute(db);
}
