import { sql } from "kysely";
import pg from "pg";
import { expect, inject } from "vitest";
import type { Db } from "../database/db.ts";
import { ensurePartitions } from "../database/partitions.ts";
import { placement } from "../database/placement.ts";
import { silentLog } from "../log.ts";
import { emptyDatabaseTest } from "../testing/postgres/empty-database-fixture.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { until } from "../testing/processes/until.ts";
import { distribute } from "./distribute.ts";
import { migrate } from "./migrate.ts";
import { createMigrator } from "./migrations.ts";

const isCluster = inject("testServer").cluster !== undefined;
/** Of the version whose cluster is brought to this one. */
const before = "0112_store_readings_on_their_node";

emptyDatabaseTest.runIf(isCluster)(
  "the migrations of a later version reach the tables and functions on the nodes, also when two run at once, and again",
  async ({ empty }) => {
    const { db } = empty;
    await makeEarlierCluster(db);
    await ensurePartitions(db, { now: new Date(), readingsMaxAgeDays: 365 });
    const run = () => migrate({ databaseUrl: empty.url, backend: "citus", log: silentLog });

    await Promise.all([run(), run()]);
    await run();

    const functions = await readFunctions(db);
    for (const ofNode of await readFunctionsOfNodes(db)) expect(functions).toMatchObject(ofNode);
    for (const table of [...placement.distributed, "readings_default"]) {
      const [ours] = await describeTables(db, table, "coordinator");
      expect(ours).toContain("organization_id uuid");
      for (const theirs of await describeTables(db, table, "shards")) expect(theirs).toBe(ours);
    }
  },
);

emptyDatabaseTest.runIf(isCluster)(
  "a migration waits for a lock that a session of a node holds no longer than for others",
  async ({ empty }) => {
    const { db } = empty;
    await makeEarlierCluster(db);
    const { rows } = await sql<{ node: number; shard: string }>`
      select nodeport::int as node, shard_name as shard from citus_shards
      where table_name = 'metering.meter_events'::regclass limit 1
    `.execute(db);
    const url = new URL(empty.url);
    url.port = String(rows[0]?.node);
    const reader = new pg.Client({ connectionString: url.href });
    await reader.connect();
    const { log, events } = createRecordingLog();
    try {
      await reader.query(`begin; select from ${rows[0]?.shard}`);
      const migrated = migrate({ databaseUrl: empty.url, backend: "citus", log });
      await until(() => events.length > 0, { what: "the wait to be told" });
      await reader.query("commit");
      await migrated;
    } finally {
      await reader.end();
    }

    expect(events.map(({ event }) => event)).toEqual(["migration_awaits_lock", "database_migrated"]);
  },
);

const roles = inject("testServer").roles;

emptyDatabaseTest.runIf(isCluster && roles !== undefined)(
  "an API of the version before goes on storing readings on every node",
  async ({ empty: { db, url } }) => {
    const api = roles?.api.name ?? "";
    await makeEarlierCluster(db);
    await sql`grant execute on function metering.store_readings to ${sql.ref(api)}`.execute(db);

    await migrate({ databaseUrl: url, backend: "citus", log: silentLog });

    const maySo = `select has_function_privilege('${api}', 'metering.hold_shards(uuid[])', 'execute')`;
    const { rows } = await sql`select result from run_command_on_all_nodes(${maySo})`.execute(db);
    expect(rows).toEqual([{ result: "t" }, { result: "t" }, { result: "t" }]);
  },
);

/** As the version of `before` left it. */
async function makeEarlierCluster(db: Db): Promise<void> {
  await sql`create schema metering`.execute(db);
  const { error } = await createMigrator(db).migrateTo(before);
  if (error !== undefined) throw error;
  const reference = placement.reference.filter((table) => table !== "customer_organizations");
  await distribute(db, { ...placement, reference });
}

/** The functions of our schema by signature, with what they do. */
const functionsQuery = `
  select json_object_agg(oid::regprocedure::text, pg_get_functiondef(oid))::text
  from pg_proc where pronamespace = 'metering'::regnamespace and prokind = 'f'
`;

async function readFunctions(db: Db): Promise<unknown> {
  const { rows } = await sql<{ answer: string }>`select (${sql.raw(functionsQuery)}) as answer`.execute(db);
  return JSON.parse(rows[0]?.answer ?? "null");
}

async function readFunctionsOfNodes(db: Db): Promise<object[]> {
  const { rows } = await sql<{ answer: string }>`
    select result as answer from run_command_on_workers(${functionsQuery})
  `.execute(db);
  return rows.map(({ answer }) => Object(JSON.parse(answer)) as object);
}

/** The columns, constraints, triggers and settings of a table, where it lies, without its own name. */
async function describeTables(db: Db, table: string, where: "coordinator" | "shards"): Promise<string[]> {
  const name = `metering.${table}`;
  const { rows } =
    where === "coordinator"
      ? await sql<{ answer: string }>`select (${sql.raw(describe(name))}) as answer`.execute(db)
      : await sql<{ answer: string }>`
          select result as answer from run_command_on_shards(${name}, ${describe("%1$s")})
        `.execute(db);
  return rows.map(({ answer }) => answer.replaceAll(/_\d{6}\b/g, "").replaceAll(/ ON \S+/g, ""));
}

function describe(table: string): string {
  const own = `'${table}'::regclass`;
  return `
    select concat_ws(E'\\n',
      (
        select string_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod), attnotnull), ', ' order by attname)
        from pg_attribute where attrelid = ${own} and attnum > 0 and not attisdropped
      ),
      (
        select string_agg(conname || ' ' || pg_get_constraintdef(oid), ', ' order by conname)
        from pg_constraint where conrelid = ${own} and contype in ('c', 'p', 'u')
      ),
      (
        select string_agg(pg_get_triggerdef(oid), ', ' order by tgname)
        from pg_trigger where tgrelid = ${own} and not tgisinternal
      ),
      (select reloptions::text from pg_class where oid = ${own})
    )
  `;
}
