import { sql } from "kysely";
import { localOnly } from "../testing/postgres/local-only.ts";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { startOfHour } from "../testing/rows/hours.ts";
import { ago, minuteMs } from "../testing/rows/meter-events.ts";
import { organizationOf } from "../testing/rows/organizations.ts";
import { addUpMeterEvents, reportMeterEvents } from "./meter-events.ts";

const none = { count: 0, quantity: 0 };

test("delivered events are counted the same before and after they are added up", async ({ database }) => {
  const { db } = database;
  await addEvents(db, { minutes: 200, count: 7, quantity: 3, state: "delivered" });
  await addEvents(db, { minutes: 100, count: 2, quantity: 5, state: "rejected" });
  await addEvents(db, { minutes: 10, count: 4, quantity: 11, state: "delivered" });
  const before = await reportMeterEvents(db);
  expect(before.states).toMatchObject({
    delivered: { count: 11, quantity: 65 },
    rejected: { count: 2, quantity: 10 },
    pending: none,
  });

  expect(await addUpMeterEvents(database.as("worker").db)).toBe(9);

  expect(await reportMeterEvents(db)).toEqual(before);
  expect(await addUpMeterEvents(db)).toBe(0);
});

test("an event that changes its state after it was added up is counted in the new one", async ({
  database: { db },
}) => {
  await addEvents(db, { minutes: 200, count: 3, quantity: 3, state: "delivered" });
  await addUpMeterEvents(db);

  await sql`
    update metering.meter_events set state = 'rejected' where id = (select min(id::text)::uuid from metering.meter_events)
  `.execute(db);

  expect((await reportMeterEvents(db)).states).toMatchObject({
    delivered: { count: 2, quantity: 6 },
    rejected: { count: 1, quantity: 3 },
  });
});

test("several workers at once add every event up once", async ({ database: { db } }) => {
  await addEvents(db, { minutes: 200, count: 500, quantity: 1, state: "delivered" });

  const added = await Promise.all(Array.from({ length: 8 }, () => addUpMeterEvents(db)));

  expect(added.reduce((sum, events) => sum + events, 0)).toBe(500);
  expect((await reportMeterEvents(db)).states.delivered).toEqual({ count: 500, quantity: 500 });
});

test.skipIf(localOnly("the statistics of reads are those of one server"))(
  "what was added up is not read again",
  async ({ database: { db } }) => {
    await addEvents(db, { minutes: 200, count: 5_000, quantity: 1, state: "delivered" });
    await sql`analyze metering.meter_events`.execute(db);
    const before = await countRowsRead(db, reportMeterEvents);
    await addUpMeterEvents(db);
    const after = await countRowsRead(db, reportMeterEvents);

    expect(before).toBeGreaterThanOrEqual(5_000);
    // The planner looks up the last id there is.
    expect(after).toBe(1);
  },
);

test.skipIf(localOnly("the statistics of reads are those of one server"))(
  "events of the last hour are not read until they are added up",
  async ({ database: { db } }) => {
    await addEvents(db, { minutes: 10, count: 5_000, quantity: 1, state: "delivered" });
    await addEvents(db, { minutes: 200, count: 3, quantity: 1, state: "delivered" });

    expect(await countRowsRead(db, addUpMeterEvents)).toBe(3);
    expect(await countRowsRead(db, addUpMeterEvents)).toBe(0);
  },
);

type Events = { minutes: number; count: number; quantity: number; state: string };

/** Writes events that were sealed so many minutes ago, of one organization. */
async function addEvents(db: Db, { minutes, count, quantity, state }: Events): Promise<void> {
  const organizationId = await organizationOf(db, "cus_1");
  const eventAt = ago(minutes * minuteMs);
  await sql`
    insert into metering.meter_events (
      organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, state, delivered_at
    )
    select ${organizationId}, metering.uuid_v7(${eventAt}::timestamptz), 'temperature_readings', ${startOfHour(eventAt)},
      ${quantity}, ${eventAt}, 1, 'cus_1', ${state}, ${eventAt}
    from generate_series(1, ${count}::int)
  `.execute(db);
}

/** How many meter events some work reads. */
async function countRowsRead(db: Db, work: (db: Db) => Promise<unknown>): Promise<number> {
  return db.transaction().execute(async (trx) => {
    const counted = sql<{ rows: number }>`
      select (seq_tup_read + idx_tup_fetch)::int as rows
      from pg_stat_xact_user_tables
      where relid = 'metering.meter_events'::regclass
    `;
    const before = (await counted.execute(trx)).rows[0]?.rows ?? 0;
    await work(trx);
    return ((await counted.execute(trx)).rows[0]?.rows ?? 0) - before;
  });
}
