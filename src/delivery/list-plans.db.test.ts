import { sql } from "kysely";
import { expect } from "vitest";
import { createQueryBuilder } from "../database/query-builder.ts";
import { openCountingPool } from "../testing/plans/counting-pool.ts";
import { databaseTest } from "../testing/postgres/database-fixture.ts";
import { localOnly } from "../testing/postgres/local-only.ts";
import { listMeterEvents } from "./meter-events.ts";

const organizations = 1_000;
const eventsOfEach = 3;
const eventsAnHour = 10;
/** What an event waits for is read for each. */
const rowsPerEventMax = 5;
const hourMs = 3_600_000;

databaseTest.skipIf(
  localOnly("EXPLAIN of a statement that a cluster sends to its nodes does not tell their plans"),
)(
  "a list from some hour on reads no events that were sealed before it",
  async ({ database: { db, url } }) => {
    const thisHour = new Date(Math.floor(Date.now() / hourMs) * hourMs);
    await sql`
    with others as materialized (
      insert into metering.organizations (name) select 'org ' || n from generate_series(1, ${organizations}::int) n returning id
    )
    insert into metering.meter_events
      (organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id)
    select id, metering.uuid_v7(hour + interval '1 minute'), 'temperature_readings', hour, 5, hour, 1, 'cus_' || id
    from (
      select o.id, ${thisHour}::timestamptz - h.n * interval '1 hour' as hour
      from (select id, row_number() over (order by id) - 1 as place from others) o
      cross join lateral (
        select (o.place * ${eventsOfEach} + n) / ${eventsAnHour} as n from generate_series(0, ${eventsOfEach} - 1) n
      ) h
    ) e
  `.execute(db);
    // By it Postgres 18 finds an hour of every organization; earlier ones read all of it.
    await sql`drop index metering.meter_events_hour`.execute(db);
    await sql`analyze metering.meter_events`.execute(db);
    const { pool, rowsRead } = openCountingPool(url, { about: /meter_events/, areIndexesDear: false });
    const counted = createQueryBuilder(pool);
    try {
      const events = await listMeterEvents(counted, {
        hourFrom: new Date(thisHour.getTime() - hourMs),
        before: undefined,
        limit: 100,
      });
      expect(events).toHaveLength(2 * eventsAnHour);
    } finally {
      await counted.destroy();
    }

    expect(rowsRead).toHaveLength(1);
    expect(rowsRead.filter(({ rows }) => rows > rowsPerEventMax * 2 * eventsAnHour)).toEqual([]);
  },
);
