import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { createQueryBuilder } from "../database/query-builder.ts";
import { openCountingPool } from "../testing/plans/counting-pool.ts";
import { localOnly } from "../testing/postgres/local-only.ts";
import { roadTest } from "../testing/fixtures/road-fixture.ts";
import { sealDueEntries } from "./seal.ts";

const meter = "temperature_readings";
const organizations = 300;
const hours = 10;
const eventsPerTransaction = 2 * organizations;
/** What a statement may read for each event that its transaction makes. */
const rowsPerSliceMax = 4;
/** Fewer than one for each organization that waits. */
const rowsPerEntryMax = 1.2;

// As in a new month, or after an outage: everything waits.
roadTest
  .skipIf(localOnly("EXPLAIN of a statement that a cluster sends to its nodes does not tell their plans"))
  .for([
    { when: "no table was ever analyzed", isAnalyzed: false },
    { when: "tables were analyzed while nothing was sealed", isAnalyzed: true },
  ])(
  "of 3,000 entries that wait, a seal reads those that it takes, when $when",
  async ({ isAnalyzed }, { database: { db, url }, boss }) => {
    await addBacklog(db, { hours, entriesEach: 1 });
    if (isAnalyzed) await sql`analyze`.execute(db);
    const { pool, rowsRead } = openCountingPool(url, { about: /meter_outbox|meter_events/ });
    const counted = createQueryBuilder(pool);
    const transactions: number[] = [];
    const onSealed = (events: readonly unknown[]) => void transactions.push(events.length);
    try {
      // A busy machine's transactions are smaller, and there are more of them.
      await sealDueEntries({ db: counted, boss, onSealed }, { meters: [meter], eventsPerTransaction });
    } finally {
      await counted.destroy();
    }

    expect(transactions.length).toBeGreaterThanOrEqual((hours * organizations) / eventsPerTransaction);
    expect(rowsRead.length).toBeGreaterThanOrEqual(transactions.length * 3);
    expect(rowsRead.filter(({ rows }) => rows > rowsPerSliceMax * eventsPerTransaction)).toEqual([]);
  },
);

const entriesEach = 100;
const entriesPerTransaction = 200;
/** Not the list of organizations, which is read once, before all transactions. */
const transactionStatements = /^\s*(with|insert|update)\b/;

// An organization's entries of an hour are one slice, and a transaction has room for two such slices.
roadTest
  .skipIf(localOnly("EXPLAIN of a statement that a cluster sends to its nodes does not tell their plans"))
  .for([
    { when: "no table was ever analyzed", isAnalyzed: false },
    { when: "tables were analyzed while nothing was sealed", isAnalyzed: true },
  ])(
  "of 300 organizations with 100 entries each, a transaction reads those of the two that it seals, when $when",
  async ({ isAnalyzed }, { database: { db, url }, boss }) => {
    await addBacklog(db, { hours: 1, entriesEach });
    if (isAnalyzed) await sql`analyze`.execute(db);
    const { pool, rowsRead } = openCountingPool(url, { about: transactionStatements });
    const counted = createQueryBuilder(pool);
    let entries = 0;
    try {
      while (entries < 3 * entriesPerTransaction) {
        const sealed = await sealDueEntries(
          { db: counted, boss },
          { meters: [meter], msMax: 0, entriesPerTransaction },
        );
        entries += sealed.entries;
      }
    } finally {
      await counted.destroy();
    }

    expect(rowsRead.length).toBeGreaterThanOrEqual(3 * 3);
    expect(rowsRead.filter(({ rows }) => rows > rowsPerEntryMax * entriesPerTransaction)).toEqual([]);
  },
);

async function addBacklog(db: Db, backlog: { hours: number; entriesEach: number }): Promise<void> {
  await sql`
    with o as (
      insert into metering.organizations (name)
      select 'org ' || n from generate_series(1, ${organizations}::int) n
      returning id
    )
    insert into metering.subscriptions (organization_id, stripe_customer_id, status)
    select id, 'cus_' || id, 'active' from o
  `.execute(db);
  await sql`
    insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity)
    select o.id, e.at, metering.uuid_v7(e.at), ${meter}, 1
    from metering.organizations o, generate_series(1, ${backlog.hours}::int) n, generate_series(1, ${backlog.entriesEach}::int),
      lateral (select date_trunc('hour', now(), 'UTC') - n * interval '1 hour' as at) e
  `.execute(db);
}
