import { readFile } from "node:fs/promises";
import type { Pool, PoolClient } from "pg";
import { expect, inject } from "vitest";
import { localOnly } from "../testing/postgres/local-only.ts";
import { databaseTest } from "../testing/postgres/database-fixture.ts";
import { holdOpen } from "../testing/postgres/locks.ts";

/** Vitest's `test` with scripts/roles.sql, run by the owner in a transaction that leaves no role behind. */
const scriptTest = databaseTest.extend("script", async ({ database: { pool } }, { onCleanup }) => {
  const text = await readFile(new URL("../../scripts/roles.sql", import.meta.url), "utf8");
  const client = await pool.connect();
  onCleanup(async () => {
    await client.query("rollback");
    client.release();
  });
  await client.query("begin");
  return {
    client,
    run: async (names: { api?: string; worker?: string } = {}) => {
      await client.query("select set_config('metering.api_role', $1, true)", [names.api ?? ""]);
      await client.query("select set_config('metering.worker_role', $1, true)", [names.worker ?? ""]);
      await client.query(text);
    },
  };
});
const hasRoles = inject("testServer").roles !== undefined;
const test = scriptTest.runIf(hasRoles);
const onCluster = scriptTest.runIf(hasRoles && inject("testServer").cluster !== undefined);
const onOneServer = scriptTest.runIf(
  hasRoles &&
    !localOnly("roles belong to all nodes, which do not see one that a transaction has not committed"),
);

/** All grants of the database, in one text. */
async function readGrants(client: PoolClient): Promise<string> {
  const { rows } = await client.query<{ grants: string }>(`
    select concat(
      (select jsonb_agg(c order by c) from (select oid::regclass::text, relacl::text from pg_class) c),
      (select jsonb_agg(a order by a) from (select attrelid, attname, attacl::text from pg_attribute) a),
      (select jsonb_agg(p order by p) from (select oid, proacl::text from pg_proc) p),
      (select jsonb_agg(n order by n) from (select nspname, nspacl::text from pg_namespace) n),
      (select jsonb_agg(d order by d) from (select defaclrole, defaclacl::text from pg_default_acl) d)
    ) as grants
  `);
  return rows[0]?.grants ?? "";
}

test("the roles are made to log in, without power over the server", async ({ script }) => {
  await script.run();

  const { rows } = await script.client.query(`
    select rolname, rolcanlogin, rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls as mighty
    from pg_roles where rolname in ('meter_outbox_api', 'meter_outbox_worker') order by rolname
  `);
  const login = { rolcanlogin: true, mighty: false };
  expect(rows).toEqual([
    { rolname: "meter_outbox_api", ...login },
    { rolname: "meter_outbox_worker", ...login },
  ]);
});

test("a second run changes nothing", async ({ script }) => {
  await script.run({ api: "Billing API", worker: "worker's" });
  const first = await readGrants(script.client);

  await script.run({ api: "Billing API", worker: "worker's" });

  expect(await readGrants(script.client)).toBe(first);
});

test("what was granted beyond the script is taken away by its next run", async ({ script }) => {
  await script.run();
  const before = await readGrants(script.client);
  await script.client.query(`
    grant all on metering.meter_events, metering.usage_keys, pgboss.queue to meter_outbox_api;
    grant update (temperature) on metering.readings to meter_outbox_api;
    grant all on function metering.record_usage, metering.retry_rejected to meter_outbox_worker;
    grant create on schema metering to meter_outbox_worker
  `);
  expect(await readGrants(script.client)).not.toBe(before);

  await script.run();

  expect(await readGrants(script.client)).toBe(before);
});

onOneServer(
  "an entry's new column may be written without a change of the script, and what stamps it may not",
  async ({ script }) => {
    await script.client.query("alter table metering.meter_outbox add column new_one text");

    await script.run();

    const { rows } = await script.client.query<{ attname: string }>(`
    select attname from pg_attribute
    where attrelid = 'metering.meter_outbox'::regclass and attnum > 0
      and not has_column_privilege('meter_outbox_api', attrelid, attnum, 'insert')
  `);
    expect(rows).toEqual([{ attname: "meter_event_id" }]);
  },
);

test("tables that a new pg-boss makes are the worker's to use at once", async ({ script }) => {
  await script.run();
  await script.client.query("create table pgboss.new_one (id int)");

  const { rows } = await script.client.query(`
    select
      has_table_privilege('meter_outbox_worker', 'pgboss.new_one', 'insert') as worker,
      has_table_privilege('meter_outbox_api', 'pgboss.new_one', 'select') as api
  `);
  expect(rows).toEqual([{ worker: true, api: false }]);
});

onOneServer("settings that a role gave itself are reset, in every database", async ({ script }) => {
  await script.run();
  await script.client.query(`
    set local role meter_outbox_api;
    alter role meter_outbox_api set search_path = elsewhere;
    alter role meter_outbox_api set statement_timeout = 0;
    reset role;
    set local role meter_outbox_worker;
    alter role meter_outbox_worker in database template1 set synchronous_commit = off;
    reset role
  `);
  const settings = async () => {
    const { rows } = await script.client.query<{ settings: number }>(`
      select count(*)::int as settings from pg_db_role_setting
      where setrole in ('meter_outbox_api'::regrole, 'meter_outbox_worker'::regrole)
    `);
    return rows[0]?.settings;
  };
  expect(await settings()).toBe(2);

  await script.run();

  expect(await settings()).toBe(0);
});

test("a role gets the password that the script is told, and keeps its own when it is told none", async ({
  script,
}) => {
  await script.run();
  const passwordOf = async () => {
    const { rows } = await script.client.query<{ rolpassword: string | null }>(
      "select rolpassword from pg_authid where rolname = 'meter_outbox_worker'",
    );
    return rows[0]?.rolpassword;
  };
  await script.client.query("alter role meter_outbox_worker password 'of a thief'");
  const ofThief = await passwordOf();

  await script.run();
  expect(await passwordOf()).toBe(ofThief);

  await script.client.query("set local metering.worker_password = 'of the operator'");
  await script.run();
  expect(await passwordOf()).toMatch(/^SCRAM-SHA-256\$/);
  expect(await passwordOf()).not.toBe(ofThief);
});

for (const [what, prepare, names, fault] of [
  ["one role for both", "select 1", { api: "both", worker: "both" }, "need a role each"],
  ["a database without tables", "drop schema metering cascade", {}, "run the migrations first"],
  ["a database without pg-boss", "drop schema pgboss cascade", {}, "run the migrations first"],
  [
    "somebody who owns nothing",
    "create role stranger; grant stranger to current_user; set local role stranger",
    {},
    "who owns the schema metering",
  ],
] as const) {
  test(`the script refuses ${what}, and grants nothing`, async ({ script }) => {
    await script.client.query(prepare);
    await script.client.query("savepoint prepared");
    const before = await readGrants(script.client);

    await expect(script.run(names)).rejects.toThrow(fault);

    await script.client.query("rollback to savepoint prepared");
    expect(await readGrants(script.client)).toBe(before);
  });
}

onCluster(
  "the script refuses to grant while a shard moves, whose new node would not hear of it",
  async ({ script, database: { pool } }) => {
    const shard = await findShard(pool);
    // 5 is SHARE, which a writer has; a move waits for it before its last step.
    const endWrite = await holdOpen(pool, "select lock_shard_metadata(5, array[$1::bigint])", [shard.id]);
    const moved = pool.query(
      "select citus_move_shard_placement($1, nodename, nodeport, $2, $3, 'force_logical') from pg_dist_node where groupid = $4",
      [shard.id, shard.host, shard.port, shard.group],
    );
    const isMoving = async () => (await pool.query("select from get_rebalance_progress()")).rows.length > 0;
    await expect.poll(isMoving).toBe(true);

    await expect(script.run()).rejects.toThrow("shards move to another node");

    await script.client.query("rollback");
    await endWrite();
    await moved;
    await script.run();
  },
);

/** A shard of `sensors`, its node's group, and another node. */
async function findShard(pool: Pool) {
  const { rows } = await pool.query<{ id: string; group: number; host: string; port: number }>(`
    select s.shardid as id, p.groupid as group, n.nodename as host, n.nodeport as port
    from pg_dist_shard s
    join pg_dist_placement p using (shardid)
    join pg_dist_node n on n.groupid not in (0, p.groupid)
    where s.logicalrelid = 'metering.sensors'::regclass
    limit 1
  `);
  const [row] = rows;
  if (row === undefined) throw new Error("there is no second node");
  return row;
}

test("the script refuses to take the owner's own role for a service", async ({ script }) => {
  const { rows } = await script.client.query<{ name: string }>("select current_user as name");
  const [owner] = rows;

  await expect(script.run({ worker: owner?.name ?? "" })).rejects.toThrow("may do all that the owner");
});
