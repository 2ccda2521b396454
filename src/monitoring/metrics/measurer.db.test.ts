import { sql } from "kysely";
import { expect } from "vitest";
import { openDatabase } from "../../database/pool.ts";
import type { Db } from "../../database/db.ts";
import { silentLog } from "../../log.ts";
import { databaseTest as test } from "../../testing/postgres/database-fixture.ts";
import { addOrganization } from "../../testing/rows/organizations.ts";
import { refusedAsAway } from "../../testing/rows/node-away.ts";
import type { Sample } from "./database-gauges.ts";
import { localOnly } from "../../testing/postgres/local-only.ts";
import { createMeasurer } from "./measurer.ts";
import { databaseReads, type Read } from "./reads.ts";
import { billableByDefault } from "../../usage/subscription-statuses.ts";

const sample: Sample = { name: "meter_outbox_sensor_count_age_seconds", value: 1 };
const good: Read = { name: "good", read: async () => [sample] };
const nobodyTold = () => {};

test("whoever asks at once shares one measurement, and whoever asks soon after has it again", async ({
  database: { db },
}) => {
  let reads = 0;
  const counting: Read = {
    name: "counting",
    read: async (trx) => {
      reads += 1;
      await sql`select pg_sleep(0.05)`.execute(trx);
      return [sample];
    },
  };
  const measure = createMeasurer({
    db,
    billableStatuses: billableByDefault,
    onFailedRead: nobodyTold,
    reads: [counting],
  });

  const answers = await Promise.all([measure(), measure(), measure()]);
  expect(answers).toEqual(Array.from({ length: 3 }, () => ({ isUp: true, samples: [sample] })));
  await measure();
  expect(reads).toBe(1);
});

test("a measurement that is old enough is made again", async ({ database: { db } }) => {
  let reads = 0;
  const counting: Read = { name: "counting", read: async () => [{ ...sample, value: (reads += 1) }] };
  const deps = { db, billableStatuses: billableByDefault, onFailedRead: nobodyTold, reads: [counting] };
  const measure = createMeasurer(deps, { reusedMs: 0 });

  await measure();
  await expect.poll(async () => (await measure()).samples[0]?.value).toBe(2);
});

test("a read that takes too long or fails leaves out its own gauges alone", async ({ database: { db } }) => {
  const slow: Read = {
    name: "slow",
    read: async (trx) => (await sql<Sample>`select pg_sleep(30)`.execute(trx)).rows,
  };
  const broken: Read = {
    name: "broken",
    read: async (trx) => (await sql<Sample>`select from metering.no_such_table`.execute(trx)).rows,
  };
  const failed: string[] = [];
  const measure = createMeasurer(
    {
      db,
      billableStatuses: billableByDefault,
      onFailedRead: ({ read }) => failed.push(read),
      reads: [slow, broken, good],
    },
    { statementTimeoutMs: 50 },
  );
  expect(await measure()).toEqual({ isUp: true, samples: [sample] });
  expect(failed).toEqual(["slow", "broken"]);
});

test("while a node of a cluster is away the database is not up, and what lies elsewhere is measured", async ({
  database: { db },
}) => {
  const away: Read = {
    name: "away",
    read: async (trx) => (await sql<Sample>`${refusedAsAway}`.execute(trx)).rows,
  };
  const failed: string[] = [];
  const measure = createMeasurer({
    db,
    billableStatuses: [],
    onFailedRead: ({ read }) => failed.push(read),
    reads: [good, away, good],
  });
  expect(await measure()).toEqual({ isUp: false, samples: [sample, sample] });
  expect(failed).toEqual(["away"]);
});

test("who asks does not wait for a slow measurement, and has what was measured so far", async ({
  database: { db },
}) => {
  const release = Promise.withResolvers<Sample[]>();
  const held: Read = { name: "held", read: () => release.promise };
  const measure = createMeasurer(
    { db, billableStatuses: billableByDefault, onFailedRead: nobodyTold, reads: [good, held] },
    { deadlineMs: 50 },
  );
  await expect.poll(measure).toEqual({ isUp: true, samples: [sample] });
  release.resolve([sample]);
  await expect.poll(async () => (await measure()).samples).toEqual([sample, sample]);
});

test.skipIf(localOnly("the statistics of reads are those of one server"))(
  "measuring reads open rows through their indexes, and never a whole table that grows",
  async ({ database }) => {
    await addHistory(database.db);
    // One connection, so that the statistics it sends on demand are those of the measurement.
    const own = openDatabase(
      { connectionString: database.url, applicationName: "measurer", connectionsMax: 1 },
      silentLog,
    );
    try {
      const before = await countWholeReads(own.db);
      const failed: unknown[] = [];
      const measure = createMeasurer({
        db: own.db,
        billableStatuses: billableByDefault,
        onFailedRead: (one) => failed.push(one),
        reads: databaseReads,
      });
      expect((await measure()).isUp).toBe(true);
      expect(failed).toEqual([]);
      expect(await countWholeReads(own.db)).toEqual(before);
    } finally {
      await own.close();
    }
  },
);

/** Years of an organization's history, all of it settled. */
async function addHistory(db: Db): Promise<void> {
  const id = await addOrganization(db, { customer: "cus_1" });
  const hours = sql`generate_series(1, 20000) as n, lateral (select date_trunc('hour', now()) - n * interval '1 hour' as hour) h`;
  await sql`
    insert into metering.meter_events
      (organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, state, delivered_at)
    select ${id}::uuid, metering.uuid_v7(hour), 'temperature_readings', hour, 1, hour, 1, 'cus_1', 'delivered', hour
    from ${hours}
  `.execute(db);
  await sql`
    insert into metering.sensor_counts (organization_id, hour, active_sensors) select ${id}::uuid, hour, 1 from ${hours}
  `.execute(db);
  await sql`
    insert into metering.stripe_events (event_id, event_type, livemode, payload, state, handled_at)
    select 'evt_' || n, 'x', false, '{}', 'handled', hour from ${hours}
  `.execute(db);
  await sql`
    insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity, meter_event_id)
    select ${id}::uuid, now() - n * interval '1 minute', metering.uuid_v7(now()), 'temperature_readings', 1, gen_random_uuid()
    from generate_series(1, 20000) as n
  `.execute(db);
  await sql`analyze`.execute(db);
}

/** Sequential scans so far, of the tables that grow and are not meant to be empty. */
async function countWholeReads(db: Db): Promise<unknown> {
  await sql`select pg_stat_force_next_flush()`.execute(db);
  const scans = await sql`
    select relname, seq_scan
    from pg_stat_user_tables
    where schemaname = 'metering' and n_live_tup > 1000
    order by relname
  `.execute(db);
  expect(scans.rows.length).toBeGreaterThanOrEqual(4);
  return scans.rows;
}
