import { sql } from "kysely";
import { expect } from "vitest";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { partitionedTables } from "./partitions.ts";
import type { Db } from "./db.ts";

// A share of a month would leave more and more of it to no block range index.
const byNumber = [
  "autovacuum_freeze_min_age=0",
  "autovacuum_vacuum_insert_scale_factor=0",
  "autovacuum_vacuum_insert_threshold=100000",
];
const wanted = {
  readings: byNumber,
  delivery_attempts: byNumber,
  meter_outbox: ["autovacuum_freeze_min_age=0", "autovacuum_vacuum_scale_factor=0.02"],
};

test("every partition is stored as its table is to be: of the migration, made since, and the default one", async ({
  database: { db },
}) => {
  for (const table of partitionedTables) {
    await sql`select metering.create_partition(${table}, '2031-05-01Z')`.execute(db);
  }

  const partitions = await readPartitions(db);

  for (const table of partitionedTables) {
    const ofTable = partitions.filter(({ parent }) => parent === table);
    expect(ofTable.map(({ name }) => name)).toEqual(
      expect.arrayContaining([`${table}_2031_05`, `${table}_default`]),
    );
    expect(ofTable.length).toBeGreaterThan(4);
    expect(ofTable.filter(({ parameters }) => parameters?.join() !== wanted[table].join())).toEqual([]);
  }
});

const often = ["autovacuum_analyze_scale_factor=0.02", "autovacuum_vacuum_scale_factor=0.02"];

test.for([
  ["metering.sensor_counts", ["autovacuum_freeze_min_age=0", "autovacuum_vacuum_insert_scale_factor=0.05"]],
  ["metering.meter_events", [...often, "fillfactor=50"]],
  ["pgboss.job_common", often],
] as const)("%s is stored with %j", async ([table, parameters], { database: { db } }) => {
  const { rows } = await sql<{ parameters: string[] }>`
    select array(select unnest(reloptions) order by 1) as parameters from pg_class where oid = ${table}::regclass
  `.execute(db);
  expect(rows).toEqual([{ parameters }]);
});

type Partition = { parent: string; name: string; parameters: string[] | null };

async function readPartitions(db: Db): Promise<Partition[]> {
  const { rows } = await sql<Partition>`
    select parent.relname as parent, c.relname as name, array(select unnest(c.reloptions) order by 1) as parameters
    from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
    join pg_class parent on parent.oid = i.inhparent
    where c.relnamespace = 'metering'::regnamespace and c.relkind = 'r'
  `.execute(db);
  return rows;
}
