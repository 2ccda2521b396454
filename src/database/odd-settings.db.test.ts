import { sql } from "kysely";
import pg from "pg";
import { expect, onTestFinished } from "vitest";
import { silentLog } from "../log.ts";
import { distribute } from "../migrate/distribute.ts";
import { migrate, migrationLockKey } from "../migrate/migrate.ts";
import { missingMigrations } from "../migrate/migrations.ts";
import { findWantedPeriod } from "../reconciliation/find-period.ts";
import { databaseTest } from "../testing/postgres/database-fixture.ts";
import { emptyDatabaseTest } from "../testing/postgres/empty-database-fixture.ts";
import { until } from "../testing/processes/until.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { commitHere, isOnNode } from "../testing/rows/commit-here.ts";
import { findViolations } from "../testing/rows/invariants.ts";
import { isDatabaseUnavailable } from "./database-unavailable.ts";
import type { Db } from "./db.ts";
import { type Database, openDatabase } from "./pool.ts";

/** Each is in use somewhere, for a program that shares the database or because its administrators write dates so. */
const oddSettings = [
  // Its CST is not the one that Postgres reads.
  "TimeZone = 'America/Havana'",
  "DateStyle = 'SQL, DMY'",
  "IntervalStyle = 'sql_standard'",
  "extra_float_digits = 0",
  "default_transaction_isolation = 'serializable'",
  "search_path = public, pg_catalog",
  "standard_conforming_strings = off",
  "array_nulls = off",
  "statement_timeout = '200ms'",
  "lock_timeout = '50ms'",
  "idle_session_timeout = '200ms'",
];

/** On the nodes of a cluster, too. */
async function setOddly(db: Db, databaseName: string): Promise<void> {
  for (const setting of oddSettings) {
    const statement = `alter database ${databaseName} set ${setting}`;
    await sql.raw(statement).execute(db);
    if (isOnNode) await sql`select run_command_on_workers(${statement})`.execute(db);
  }
}

/** A connection as the service's own are, opened after the administrator has set the database oddly. */
const test = databaseTest.extend("odd", async ({ database }, { onCleanup }): Promise<Database> => {
  await setOddly(database.db, new URL(database.url).pathname.slice(1));
  if (isOnNode) await distribute(database.db);
  const odd = openDatabase(
    { connectionString: database.url, applicationName: "odd settings", connectionsMax: 2 },
    silentLog,
  );
  onCleanup(odd.close);
  return odd;
});

test("times are read as they were written", async ({ odd: { db } }) => {
  const at = new Date("2026-03-04T05:06:07.089Z");

  const { rows } = await sql<{ at: Date }>`select ${at}::timestamptz as at`.execute(db);

  expect(rows).toEqual([{ at }]);
});

test("a reading that is sent again is a duplicate, to its last digit", async ({ odd: { db, pool } }) => {
  const organizationId = await addOrganization(db);
  await db.insertInto("sensors").values({ organization_id: organizationId, id: "a" }).execute();
  const readings = [{ sensorId: "a", recordedAt: new Date().toISOString(), temperature: 0.1 + 0.2 }];
  const store = () => commitHere(pool, [{ organizationId, readings }]);
  expect(await store()).toEqual([[{ status: "accepted" }]]);
  expect(await store()).toEqual([[{ status: "duplicate" }]]);
  expect(await findViolations(db)).toEqual([]);
});

test("usage that another program records is dated as it happened", async ({ odd: { db }, database }) => {
  const organizationId = await addOrganization(db);
  const program = new pg.Client({ connectionString: database.url });
  await program.connect();
  try {
    await program.query("select metering.record_usage($1, 'temperature_readings', 1)", [organizationId]);
  } finally {
    await program.end();
  }

  const { rows } =
    await sql`select occurred_at = metering.uuid_v7_time(id) as "isDated" from metering.meter_outbox`.execute(
      db,
    );
  expect(rows).toEqual([{ isDated: true }]);
});

test("a month is as long as UTC says", async ({ odd: { db } }) => {
  const start = new Date("2025-03-01T00:00:00Z");
  const organizationId = await addOrganization(db, {
    customer: "cus_1",
    periodStart: start,
    periodEnd: new Date("2125-03-01T00:00:00Z"),
  });

  expect(await findWantedPeriod(db, organizationId, "last")).toEqual({
    start: new Date("2025-02-01T00:00:00Z"),
    end: start,
  });
});

test("a statement of an open transaction sees what another one has committed", async ({
  odd: { db },
  database,
}) => {
  const count = async (on: Db) => (await on.selectFrom("organizations").select("id").execute()).length;
  await db.transaction().execute(async (trx) => {
    expect(await count(trx)).toBe(0);
    await addOrganization(database.db);
    expect(await count(trx)).toBe(1);
  });
});

test("a function of others that has the name of one of Postgres's is not called", async ({
  odd: { db },
  database,
}) => {
  await sql`
    create function public.cardinality(int[]) returns int language sql as 'select -1'
  `.execute(database.db);

  const { rows } = await sql`select cardinality(array[1, 2]) as length`.execute(db);

  expect(rows).toEqual([{ length: 2 }]);
});

test("the pool's own limits hold, in place of the database's", async ({ odd: { db } }) => {
  const { rows } = await sql`
    select
      current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock,
      current_setting('idle_in_transaction_session_timeout') as "idleTransaction",
      current_setting('idle_session_timeout') as "idleSession"
  `.execute(db);

  expect(rows).toEqual([{ statement: "30s", lock: "0", idleTransaction: "15s", idleSession: "0" }]);
});

emptyDatabaseTest(
  "an oddly set database is migrated, also behind a migration that takes longer than the database lets a statement take",
  async ({ empty, database }) => {
    await setOddly(empty.db, empty.name);
    await empty.db.connection().execute(async (first) => {
      await sql`select pg_advisory_lock(${migrationLockKey})`.execute(first);
      const migrating = migrate({ databaseUrl: empty.url, log: silentLog });
      const waited = until(
        async () => {
          const { rows } = await sql`
            select from pg_stat_activity
            where application_name = 'meter-outbox migrate lock' and datname = ${empty.name}
              and wait_event_type = 'Lock' and clock_timestamp() - query_start > interval '400 milliseconds'
          `.execute(database.db);
          return rows.length === 1;
        },
        { what: "a migration that has waited for long" },
      );
      // One that fails does not wait.
      await Promise.race([waited, migrating]);
      await sql`select pg_advisory_unlock(${migrationLockKey})`.execute(first);
      await migrating;
    });

    expect(await missingMigrations(empty.db)).toEqual([]);
  },
);

databaseTest("a session in which no trigger runs is not used", async ({ database }) => {
  const name = sql.id(new URL(database.url).pathname.slice(1));
  await sql`alter database ${name} set session_replication_role = 'replica'`.execute(database.db);
  const { db, close } = openDatabase(
    { connectionString: database.url, applicationName: "without triggers", connectionsMax: 1 },
    silentLog,
  );
  onTestFinished(close);

  const failure: unknown = await sql`select 1`.execute(db).catch((error: unknown) => error);

  expect(failure).toMatchObject({ message: expect.stringContaining("session_replication_role is replica") });
  expect(isDatabaseUnavailable(failure)).toBe(true);
});
