import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { createQueryBuilder } from "../database/query-builder.ts";
import { supersedeGauges } from "../delivery/supersede-gauges.ts";
import { addUpUsage } from "../outbox/sums.ts";
import { readUsageSummary } from "../outbox/usage-summary.ts";
import { openCountingPool } from "../testing/plans/counting-pool.ts";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { localOnly } from "../testing/postgres/local-only.ts";
import { settleUsageAtOnce } from "../testing/rows/settle-usage.ts";

// An ANALYZE that runs while the first rows are being written finds pages and no row. Until the next one the planner takes the
// table for empty, however large it is, and reading all of it seems to cost as much as one row. The worker's own road in that
// state: delivery/backlog-plans.db.test.ts.
const local = test.skipIf(
  localOnly("a cluster sends these statements to the shards, whose plans are their own"),
);

const organizations = 100;
const hours = 20;
const rowsPerEventMax = 5;
const dayMs = 86_400_000;

local(
  "gauges that were analyzed too early are superseded by a look for each",
  async ({ database: { db, url } }) => {
    await addEvents(db, "active_sensors");
    const { pool, rowsRead } = openCountingPool(url, { about: /meter_events/, plansByIndex: true });
    const counted: Db = createQueryBuilder(pool);
    try {
      expect(await supersedeGauges(counted, { leaseSeconds: 45 })).toBe(organizations * (hours - 1));
    } finally {
      await counted.destroy();
    }

    expect(rowsRead).toHaveLength(1);
    expect(rowsRead.filter(({ rows }) => rows > rowsPerEventMax * organizations * hours)).toEqual([]);
  },
);

local(
  "usage that was analyzed too early is added up by a look for each event",
  async ({ database: { db } }) => {
    await addEvents(db, "temperature_readings");
    await settleUsageAtOnce(db, 100_000);

    const read = await db.transaction().execute(async (trx) => {
      expect(await addUpUsage(trx)).toBe(organizations * hours);
      const { rows } = await sql<{ rows: number }>`
      select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::float8 as rows
      from pg_stat_xact_user_tables
      where schemaname = 'metering' and relname ~ '^meter_(outbox|events)'
    `.execute(trx);
      return rows[0]?.rows;
    });
    expect(read).toBeGreaterThanOrEqual(2 * organizations * hours);
    expect(read).toBeLessThanOrEqual(rowsPerEventMax * organizations * hours);
  },
);

local(
  "a summary before a worker has added up usage that was analyzed too early reads each event once",
  async ({ database: { db, url } }) => {
    await addEventsOfOthersLater(db);
    const { pool, rowsRead } = openCountingPool(url, { about: /meter_events/, areIndexesDear: false });
    const counted: Db = createQueryBuilder(pool);
    const from = new Date(Date.now() - 7 * dayMs);
    const period = { meter: "temperature_readings", from, to: new Date(), keptFrom: null } as const;
    try {
      const totals = await readUsageSummary(counted, { ...period, after: undefined, limit: organizations });
      expect(totals.map(({ quantity }) => quantity)).toEqual(Array(organizations).fill(5 * hours));
    } finally {
      await counted.destroy();
    }

    expect(rowsRead.filter(({ rows }) => rows > rowsPerEventMax * organizations * hours)).toEqual([]);
  },
);

/** Events of many hours, each of one entry, analyzed on another connection before they are committed. */
async function addEvents(db: Db, meter: "temperature_readings" | "active_sensors"): Promise<void> {
  await addOrganizations(db);
  await db.transaction().execute(async (trx) => {
    await writeEvents(trx, meter);
    await sql`
      insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity, meter_event_id)
      select m.organization_id, m.hour, metering.uuid_v7(m.hour), m.meter, 5, m.id from metering.meter_events m
    `.execute(trx);
    await sql`analyze metering.meter_events, metering.meter_outbox`.execute(db);
  });
}

/** Events that were analyzed when the first organization alone had any. */
async function addEventsOfOthersLater(db: Db): Promise<void> {
  await addOrganizations(db);
  const first = sql<boolean>`o.id = (select id from metering.organizations order by id limit 1)`;
  await writeEvents(db, "temperature_readings", first);
  await sql`analyze metering.meter_events`.execute(db);
  await writeEvents(db, "temperature_readings", sql`not ${first}`);
}

async function addOrganizations(db: Db): Promise<void> {
  await sql`
    insert into metering.organizations (name) select 'org ' || n from generate_series(1, ${organizations}::int) n
  `.execute(db);
  await sql`alter table metering.meter_events set (autovacuum_enabled = off)`.execute(db);
}

async function writeEvents(db: Db, meter: string, isMeant = sql<boolean>`true`): Promise<void> {
  await sql`
    insert into metering.meter_events (organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id)
    select o.id, metering.uuid_v7(clock_timestamp()), ${meter}, h.hour, 5, h.hour, 1, 'cus_' || o.id
    from metering.organizations o, generate_series(1, ${hours}::int) n,
      lateral (select date_trunc('hour', now(), 'UTC') - n * interval '1 hour' as hour) h
    where ${isMeant}
  `.execute(db);
}
