import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { createQueryBuilder } from "../database/query-builder.ts";
import { openCountingPool } from "../testing/plans/counting-pool.ts";
import { databaseTest } from "../testing/postgres/database-fixture.ts";
import { localOnly } from "../testing/postgres/local-only.ts";
import { hoursAgo } from "../testing/rows/hours.ts";
import { organizationOf } from "../testing/rows/organizations.ts";
import { listMeterEvents } from "./meter-events.ts";

const events = 3_000;
const eventsAnHour = 10;
/** What an event waits for is read for each. */
const rowsPerEventMax = 5;

databaseTest.skipIf(
  localOnly("EXPLAIN of a statement that a cluster sends to its nodes does not tell their plans"),
)(
  "a list from some hour on reads no events that were sealed before it",
  async ({ database: { db, url } }) => {
    await addEvents(db);
    // By it Postgres 18 finds an hour of every organization; earlier ones read all of it.
    await sql`drop index metering.meter_events_hour`.execute(db);
    await sql`analyze metering.meter_events`.execute(db);
    const { pool, rowsRead } = openCountingPool(url, { about: /meter_events/, areIndexesDear: false });
    const counted = createQueryBuilder(pool);
    try {
      const listed = await listMeterEvents(counted, { hourFrom: hoursAgo(1), before: undefined, limit: 100 });
      expect(listed).toHaveLength(2 * eventsAnHour);
    } finally {
      await counted.destroy();
    }

    expect(rowsRead).toHaveLength(1);
    expect(rowsRead.filter(({ rows }) => rows > rowsPerEventMax * 2 * eventsAnHour)).toEqual([]);
  },
);

databaseTest("a list from a time before all ids has every event", async ({ database: { db } }) => {
  await addEvents(db);
  const hourFrom = new Date("0001-01-01T00:00:00Z");
  expect(await listMeterEvents(db, { hourFrom, before: undefined, limit: events })).toHaveLength(events);
});

/** Writes events of ever earlier hours, each sealed in the moment in which its hour began. */
async function addEvents(db: Db): Promise<void> {
  const organizationId = await organizationOf(db, "cus_1");
  await sql`
    insert into metering.meter_events
      (organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id)
    select ${organizationId}, metering.uuid_v7(hour), 'temperature_readings', hour, 5, hour, 1, 'cus_1'
    from (
      select ${hoursAgo(0)}::timestamptz - n / ${eventsAnHour} * interval '1 hour' as hour
      from generate_series(0, ${events}::int - 1) n
    ) e
  `.execute(db);
}
