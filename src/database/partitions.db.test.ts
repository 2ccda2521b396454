import { sql } from "kysely";
import { expect } from "vitest";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { appendEntries } from "../testing/rows/entries.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { countDefaultPartitionRows, ensurePartitions } from "./partitions.ts";
import type { Db } from "./db.ts";

const dayMs = 86_400_000;
const none = { readings: 0, meter_outbox: 0, delivery_attempts: 0 };

// Months of every length, a leap day and the turn of a year, far from the months that the migration made.
const moments = [
  "2031-01-31T23:59:59.999Z",
  "2032-02-29T12:00:00Z",
  "2032-03-01T00:00:00Z",
  "2033-12-31T22:00:00Z",
];

test.for(moments)(
  "on %s there is a partition for all that may arrive",
  async (moment, { database: { db } }) => {
    const now = new Date(moment);
    await ensurePartitions(db, { now, readingsMaxAgeDays: 365 });
    const organization = await addOrganization(db);

    const daysAgo = Array.from({ length: 366 }, (_, days) => days);
    const ahead = new Date(now.getTime() + 5 * 60_000);
    await storeReadings(db, organization, [...daysAgo.map((days) => before(now, days)), ahead]);
    const usage = [before(now, 35), before(now, 0), before(now, -28)].map((at) => ({ at, quantity: 1 }));
    await appendEntries(db, organization, usage);

    expect(await countDefaultPartitionRows(db)).toEqual(none);
  },
);

test("a reading of any accepted age has a partition after the migration", async ({ database: { db } }) => {
  const organization = await addOrganization(db);
  await storeReadings(db, organization, [before(new Date(), 365), before(new Date(), -1)]);

  expect(await countDefaultPartitionRows(db)).toEqual(none);
});

test("rows beyond the partitions are stored all the same, and counted", async ({ database: { db } }) => {
  const organization = await addOrganization(db);
  const beyond = before(new Date(), -365);
  await storeReadings(db, organization, [beyond, before(beyond, 1)]);
  await appendEntries(db, organization, [{ at: beyond, quantity: 1 }]);

  expect(await countDefaultPartitionRows(db)).toEqual({ ...none, readings: 2, meter_outbox: 1 });
});

test("two processes at once make every partition once", async ({ database: { db } }) => {
  for (const year of [2031, 2033, 2035, 2037, 2039]) {
    const input = { now: new Date(Date.UTC(year, 5)), readingsMaxAgeDays: 365 };
    const made = (await Promise.all([ensurePartitions(db, input), ensurePartitions(db, input)])).flat();

    // Readings: 12 months back. Entries: 2. Attempts: 1. All three: the present month and 2 ahead.
    expect(new Set(made).size).toBe(12 + 2 + 1 + 3 * 3);
    expect(made).toHaveLength(24);
  }
});

test("a partition made later keeps an entry as immutable as the others do", async ({ database: { db } }) => {
  await ensurePartitions(db, { now: new Date("2031-06-15T00:00:00Z"), readingsMaxAgeDays: 1 });
  const organization = await addOrganization(db);
  await appendEntries(db, organization, [{ at: new Date("2031-06-20T00:00:00Z"), quantity: 1 }]);

  await expect(sql`update metering.meter_outbox set quantity = 2`.execute(db)).rejects.toThrow("immutable");
});

function before(at: Date, days: number): Date {
  return new Date(at.getTime() - days * dayMs);
}

async function storeReadings(db: Db, organization: string, times: readonly Date[]): Promise<void> {
  await sql`
    insert into metering.readings (organization_id, sensor_id, recorded_at, temperature, entry_id)
    select ${organization}, 's', at, 1, gen_random_uuid() from unnest(${times}::timestamptz[]) as t (at)
  `.execute(db);
}
