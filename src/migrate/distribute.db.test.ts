import { localOnly } from "../testing/postgres/local-only.ts";
import { sql } from "kysely";
import { expect, inject } from "vitest";
import { functionsOfNodes, placement } from "../database/placement.ts";
import type { Db } from "../database/db.ts";
import { silentLog } from "../log.ts";
import { emptyDatabaseTest } from "../testing/postgres/empty-database-fixture.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { migrate } from "./migrate.ts";

const isCluster = inject("testServer").cluster !== undefined;

emptyDatabaseTest.skipIf(localOnly("what a Postgres without the extension answers"))(
  "a database without the extension is not distributed, and the refusal says what to do",
  async ({ empty }) => {
    await expect(migrate({ databaseUrl: empty.url, backend: "citus", log: silentLog })).rejects.toThrow(
      "create extension citus",
    );
  },
);

emptyDatabaseTest.runIf(isCluster)(
  "the first migration of a cluster distributes every table as its place says, and the next nothing",
  async ({ empty }) => {
    const { log, events } = createRecordingLog();
    await migrate({ databaseUrl: empty.url, backend: "citus", log });
    await migrate({ databaseUrl: empty.url, backend: "citus", log });

    const [first, second] = events.filter(({ event }) => event === "database_migrated");
    expect(first?.["distributed"]).toEqual([
      ...placement.reference,
      ...placement.distributed,
      ...functionsOfNodes.map(({ name }) => name),
    ]);
    expect(second).toEqual({ event: "database_migrated", applied: [], distributed: [], partitions: [] });
    expect(await tablesOf(empty.db, "distributed")).toEqual(placement.distributed.toSorted());
    expect(await tablesOf(empty.db, "reference")).toEqual(placement.reference.toSorted());
    expect(await countColocations(empty.db)).toBe(1);
  },
);

emptyDatabaseTest.runIf(isCluster)(
  "a distribution that was interrupted is finished by the next migration",
  async ({ empty }) => {
    await migrate({ databaseUrl: empty.url, log: silentLog });
    await sql`select create_reference_table('metering.organizations')`.execute(empty.db);
    await sql`select create_distributed_table('metering.sensors', 'organization_id')`.execute(empty.db);

    await migrate({ databaseUrl: empty.url, backend: "citus", log: silentLog });

    expect(await tablesOf(empty.db, "distributed")).toEqual(placement.distributed.toSorted());
    expect(await countColocations(empty.db)).toBe(1);
  },
);

emptyDatabaseTest.runIf(isCluster)(
  "a cluster that allows no triggers is not distributed, and the refusal says what to do",
  async ({ empty }) => {
    const name = new URL(empty.url).pathname.slice(1);
    await sql`alter database ${sql.id(name)} set citus.enable_unsafe_triggers = off`.execute(empty.db);

    await expect(migrate({ databaseUrl: empty.url, backend: "citus", log: silentLog })).rejects.toThrow(
      "citus.enable_unsafe_triggers = on",
    );
  },
);

async function tablesOf(db: Db, kind: "distributed" | "reference"): Promise<string[]> {
  const { rows } = await sql<{ table: string }>`
    select c.relname as table
    from public.citus_tables t
    join pg_class c on c.oid = t.table_name
    where t.citus_table_type = ${kind} and not c.relispartition
    order by c.relname collate "C"
  `.execute(db);
  return rows.map(({ table }) => table);
}

async function countColocations(db: Db): Promise<number> {
  const { rows } = await sql<{ groups: number }>`
    select count(distinct colocation_id)::int as groups from public.citus_tables where citus_table_type = 'distributed'
  `.execute(db);
  return rows[0]?.groups ?? 0;
}
