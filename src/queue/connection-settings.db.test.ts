import { sql } from "kysely";
import { expect } from "vitest";
import { openDatabase } from "../database/pool.ts";
import { silentLog } from "../log.ts";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { type BossOptions, createBoss } from "./boss.ts";

const settings = `select current_setting('jit') as jit, current_setting('synchronous_commit') as "commitsWith"`;
const wanted = [{ jit: "off", commitsWith: "on" }];

const switches = `select name from pg_settings where setting = 'off' and name = any($1) order by name`;
const names = ["enable_hashjoin", "enable_mergejoin", "enable_seqscan", "enable_sort"];

test.beforeEach(async ({ database }) => {
  await sql`
    do $$ begin
      execute format('alter database %I set jit = on', current_database());
      execute format('alter database %I set jit_above_cost = 0', current_database());
      execute format('alter database %I set synchronous_commit = off', current_database());
    end $$
  `.execute(database.db);
});

test("a connection of ours compiles no statement, whatever the database is set to", async ({ database }) => {
  const own = openDatabase(
    { connectionString: database.url, applicationName: "settings", connectionsMax: 2 },
    silentLog,
  );
  try {
    const said = await Promise.all([own.pool.query(settings), own.pool.query(settings)]);
    expect(said.map(({ rows }) => rows)).toEqual([wanted, wanted]);
  } finally {
    await own.close();
  }
});

test("a connection of the delivery loop plans by index for as long as it lives", async ({ database }) => {
  const own = openDatabase(
    {
      connectionString: database.url,
      applicationName: "settings",
      connectionsMax: 1,
      plansByIndex: true,
    },
    silentLog,
  );
  try {
    const { rows } = await own.pool.query<{ name: string }>(switches, [names]);
    expect(rows.map(({ name }) => name)).toEqual(names);
    expect((await own.pool.query(settings)).rows).toEqual(wanted);
    expect(own.db.plansByIndex).toBe(true);
  } finally {
    await own.close();
  }
});

test.for<[BossOptions["role"], string]>([
  ["worker", "plan by index, and"],
  ["api", "plan as the server does, and"],
  ["migrate", "plan as the server does, and"],
])("pg-boss's own connections of the %s %s compile none either", async ([role], { database }) => {
  const boss = createBoss({ databaseUrl: database.url, role, connectionsMax: 2 }, silentLog);
  await boss.start();
  try {
    expect((await boss.getDb().executeSql(settings)).rows).toEqual(wanted);
    const { rows } = await boss.getDb().executeSql(switches, [names]);
    expect(rows).toHaveLength(role === "worker" ? names.length : 0);
  } finally {
    await boss.stop({ graceful: false });
  }
});
