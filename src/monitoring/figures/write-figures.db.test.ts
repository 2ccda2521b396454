import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../../database/db.ts";
import { databaseTest as test } from "../../testing/postgres/database-fixture.ts";
import { appendEntries } from "../../testing/rows/entries.ts";
import { addMeterEvent, minuteMs } from "../../testing/rows/meter-events.ts";
import { addOrganization } from "../../testing/rows/organizations.ts";
import { countMinutes } from "./count-minutes.ts";
import { noteWaiting } from "./note-waiting.ts";
import { readFigureDelay, readFigureProgress, readFigures } from "./read-figures.ts";
import { writeFigures } from "./write-figures.ts";

const hourMs = 60 * minuteMs;

/** The minute that ended so many minutes ago. */
const minuteAgo = (minutes: number) => new Date((Math.floor(Date.now() / minuteMs) - minutes) * minuteMs);

/** As if workers had written figures until this time. */
async function writtenUntil(db: Db, at: Date): Promise<void> {
  await db.updateTable("figure_progress").set({ written_until: at, final_until: at }).execute();
}

async function writeAll(db: Db): Promise<void> {
  for (let turn = 0; turn < 1_000; turn += 1) if (!(await writeFigures(db)).isBehind) return;
  throw new Error("figures are behind for ever");
}

async function readMinute(db: Db, minute: Date, meter = "temperature_readings") {
  return db
    .selectFrom("minute_figures")
    .selectAll()
    .where("minute", "=", minute)
    .where("meter", "=", meter)
    .executeTakeFirst();
}

const neverSeen = { unsealed_entries: null, unsealed_seconds: null, pending: null, pending_seconds: null };

type Try = { at: Date; verdict: string; ms: number; status?: number | null };

async function addAttempts(db: Db, tries: readonly Try[]): Promise<void> {
  const key = await addMeterEvent(db);
  for (const [index, { at, verdict, ms, status = 200 }] of tries.entries()) {
    await db
      .insertInto("delivery_attempts")
      .values({
        organization_id: key.organizationId,
        meter_event_id: key.meterEventId,
        attempt: index + 1,
        started_at: at,
        duration_ms: ms,
        verdict,
        http_status: status,
      })
      .execute();
  }
}

test("a minute has what was taken in, how attempts ended and how long they took", async ({ database }) => {
  const { db } = database;
  const minute = minuteAgo(20);
  const within = (ms: number) => new Date(minute.getTime() + ms);
  const organizations = [await addOrganization(db), await addOrganization(db, { customer: "cus_b" })];
  for (const id of organizations) {
    await appendEntries(db, id, [
      { at: within(0), quantity: 7 },
      { at: within(59_999), quantity: 5 },
      { at: within(30_000), quantity: 3, meter: "active_sensors" },
      { at: within(-1), quantity: 100 },
      { at: within(60_000), quantity: 100 },
    ]);
  }
  await addAttempts(db, [
    { at: within(0), verdict: "delivered", ms: 100 },
    { at: within(1), verdict: "delivered", ms: 1 },
    { at: within(2), verdict: "retry", ms: 9, status: 429 },
    { at: within(3), verdict: "retry", ms: 0, status: null },
    { at: within(4), verdict: "unknown", ms: 15_000, status: null },
    { at: within(5), verdict: "rejected", ms: 100, status: 400 },
    { at: within(60_000), verdict: "rejected", ms: 100, status: 400 },
  ]);
  await writtenUntil(db, minute);
  await writeAll(database.as("worker").db);

  expect(await readMinute(db, minute)).toMatchObject({
    entries: "4",
    quantity: "24",
    delivered: "2",
    delivered_quantity: "10",
    rejected: "1",
    retried: "2",
    unanswered: "1",
    latencies: { "0": 1, "24": 1, "49": 2, "101": 1 },
    // No worker looked at that time.
    pending: null,
    unsealed_entries: null,
  });
  expect(await readMinute(db, minute, "active_sensors")).toMatchObject({
    entries: "2",
    quantity: "6",
    delivered: "0",
  });
  expect(await readMinute(db, within(minuteMs))).toMatchObject({ quantity: "200", rejected: "1" });
  expect(await readMinute(db, within(-minuteMs))).toBeUndefined();
});

test("the minute that has just ended has what waits, and what ends later is counted later", async ({
  database,
}) => {
  const { db } = database;
  const worker = database.as("worker").db;
  const paying = await addOrganization(db, { customer: "cus_a" });
  await appendEntries(db, paying, [
    { at: new Date(Date.now() - 2 * hourMs), quantity: 1 },
    { at: new Date(Date.now() - hourMs), quantity: 1 },
  ]);
  await appendEntries(db, await addOrganization(db), [
    { at: new Date(Date.now() - 9 * hourMs), quantity: 1 },
  ]);
  await addMeterEvent(db, { event_at: new Date(Date.now() - 3 * hourMs), stripe_customer_id: "cus_c" });
  await writtenUntil(db, minuteAgo(1));
  await writeFigures(worker);

  const { writtenUntil: end } = await readFigureProgress(db);
  const minute = new Date(end.getTime() - minuteMs);
  const first = await readMinute(db, minute);
  expect(first).toMatchObject({ unsealed_entries: "2", pending: "1", delivered: "0" });
  expect(Math.abs((first?.unsealed_seconds ?? 0) - 7_200)).toBeLessThan(30);
  expect(Math.abs((first?.pending_seconds ?? 0) - 10_800)).toBeLessThan(30);

  // Where more waits than is read, the oldest is found all the same.
  await db
    .updateTable("minute_figures")
    .set({ ...neverSeen })
    .where("minute", "=", minute)
    .execute();
  await worker.transaction().execute((trx) => noteWaiting(trx, minute, { readMax: 2 }));
  const again = await readMinute(db, minute);
  expect(Number(again?.unsealed_entries)).toBeLessThan(3);
  expect(Math.abs((again?.unsealed_seconds ?? 0) - 7_200)).toBeLessThan(30);

  // Its worker settles it only now, and six minutes later it is counted again.
  await addAttempts(db, [{ at: minute, verdict: "delivered", ms: 30 }]);
  await db.transaction().execute((trx) => countMinutes(trx, { from: minute, to: end }));
  expect(await readMinute(db, minute)).toMatchObject({ delivered: "1", pending: "1" });
});

test("of several workers one writes each minute, and the others neither wait nor write", async ({
  database,
}) => {
  const { db } = database;
  const worker = database.as("worker").db;
  await writtenUntil(db, minuteAgo(30));
  const readVersions = async () =>
    (
      await sql<{
        version: string;
      }>`select ctid || ' ' || xmin as version from metering.minute_figures`.execute(db)
    ).rows;
  await db.transaction().execute(async (another) => {
    await another.selectFrom("figure_progress").selectAll().forUpdate().execute();
    expect(await writeFigures(worker)).toEqual({ isBehind: false });
  });
  expect(await readVersions()).toEqual([]);

  await Promise.all(Array.from({ length: 4 }, () => writeAll(worker)));
  await writeAll(worker);
  const written = await readVersions();
  expect(written.length).toBeGreaterThanOrEqual(2 * 26);
  await writeFigures(worker);
  // A minute may have ended meanwhile, which has rows of its own.
  expect(await readVersions()).toEqual(expect.arrayContaining(written));
});

test("an hour adds up its minutes, keeps the largest of what waited, and what is too old is forgotten", async ({
  database,
}) => {
  const { db } = database;
  const hour = new Date((Math.floor(Date.now() / hourMs) - 3) * hourMs);
  const figures = {
    entries: 1,
    quantity: 4,
    delivered: 2,
    delivered_quantity: 8,
    rejected: 0,
    retried: 1,
    unanswered: 0,
  };
  const at = (minutes: number) => new Date(hour.getTime() + minutes * minuteMs);
  const waited = (seconds: number) => ({
    unsealed_entries: seconds,
    unsealed_seconds: seconds,
    pending: 1,
    pending_seconds: 0,
  });
  const row = (minute: Date) => ({ minute, meter: "temperature_readings", ...figures });
  await db
    .insertInto("minute_figures")
    .values([
      { ...row(at(0)), latencies: { "3": 1, "9": 1 }, ...waited(5) },
      { ...row(at(1)), latencies: { "9": 4 }, ...waited(90) },
      { ...row(at(2)), latencies: {} },
      { ...row(new Date(hour.getTime() - 91 * 24 * hourMs)), latencies: {} },
    ])
    .execute();
  // From here on each minute is counted from its rows, of which there are none.
  await writtenUntil(db, at(3));
  await writeAll(database.as("worker").db);

  const hours = await db
    .selectFrom("hour_figures")
    .selectAll()
    .where("hour", "=", hour)
    .orderBy("meter")
    .execute();
  expect(hours).toHaveLength(2);
  expect(hours[1]).toMatchObject({
    minutes: 60,
    entries: "3",
    quantity: "12",
    delivered: "6",
    delivered_quantity: "24",
    retried: "3",
    latencies: { "3": 1, "9": 5 },
    unsealed_entries: "90",
    unsealed_seconds: 90,
    pending: "1",
  });
  const { min } = await db
    .selectFrom("minute_figures")
    .select(({ fn }) => fn.min("minute").as("min"))
    .executeTakeFirstOrThrow();
  expect(min).toEqual(hour);

  const week = await readFigures(database.as("api").db, "week", await readFigureProgress(db));
  const pointAt = (time: number) => week.find(({ at: begins }) => begins.getTime() === time);
  expect(pointAt(hour.getTime())).toMatchObject({ sealLagSeconds: 90, perMinute: { delivered: 0.1 } });
  expect(pointAt(hour.getTime() - hourMs)).toMatchObject({ perMinute: null, sealLagSeconds: null });
});

test("a worker that runs and writes nothing is told, and one that does not run is not", async ({
  database,
}) => {
  const { db } = database;
  const until = minuteAgo(30);
  await writtenUntil(db, until);
  expect(await readFigureDelay(db)).toBe(0);
  const start = (ago: string) =>
    sql`
    insert into metering.processes (id, kind, started_at) values (gen_random_uuid(), 'worker', now() - ${ago}::interval)
  `.execute(db);
  await start("2 minutes");
  expect(Math.round((await readFigureDelay(db)) / 60)).toBe(2);
  await start("2 hours");
  const delay = await readFigureDelay(database.as("api").db);
  expect(Math.abs(delay - (Date.now() - until.getTime()) / 1_000)).toBeLessThan(30);
  await writeAll(database.as("worker").db);
  expect(await readFigureDelay(db)).toBeLessThan(70);
});
