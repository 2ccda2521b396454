import { type RawBuilder, sql } from "kysely";
import { expect } from "vitest";
import { ensurePartitions } from "../database/partitions.ts";
import { silentLog } from "../log.ts";
import { emptyDatabaseTest as test } from "../testing/postgres/empty-database-fixture.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { until } from "../testing/processes/until.ts";
import { migrate, migrationLockKey } from "./migrate.ts";
import { createMigrator, missingMigrations, sqlMigrations } from "./migrations.ts";
import type { Db } from "../database/db.ts";

/** The next migration locks entries against their writers. */
const beforeGuards = "0125_mend_block_ranges";

test("an empty database is brought to the program's schema", async ({ empty }) => {
  const needed = Object.keys(await sqlMigrations.getMigrations());
  expect(await missingMigrations(empty.db)).toEqual(expect.arrayContaining(needed));

  await migrate({ databaseUrl: empty.url, log: silentLog });

  expect(await missingMigrations(empty.db)).toEqual([]);
});

test("a second migration changes nothing", async ({ empty }) => {
  await migrate({ databaseUrl: empty.url, log: silentLog });
  const { log, events } = createRecordingLog();

  await migrate({ databaseUrl: empty.url, log });

  expect(events).toEqual([{ event: "database_migrated", applied: [], partitions: [] }]);
});

test("a migration of the version before leaves a database that is ahead of it as it is, and makes what is missing", async ({
  empty,
}) => {
  await migrate({ databaseUrl: empty.url, log: silentLog });
  await sql`
    insert into metering.kysely_migration (name, timestamp) values ('9999_of_the_next_version', now()::text)
  `.execute(empty.db);
  await sql`drop schema pgboss cascade`.execute(empty.db);
  const { log, events } = createRecordingLog();

  await migrate({ databaseUrl: empty.url, log });

  expect(events).toEqual([{ event: "database_migrated", applied: [], partitions: [] }]);
  expect(await missingMigrations(empty.db)).toEqual([]);
});

test("of four migrations at once one does the work, and none fails", async ({ empty }) => {
  const { log, events } = createRecordingLog();

  await Promise.all([1, 2, 3, 4].map(() => migrate({ databaseUrl: empty.url, log })));

  const needed = Object.keys(await sqlMigrations.getMigrations()).toSorted();
  const done = events.filter(({ event }) => event === "database_migrated");
  expect(done.flatMap(({ applied }) => applied)).toEqual(needed);
  expect(done).toHaveLength(4);
  expect(await missingMigrations(empty.db)).toEqual([]);
});

test("a migration waits for one that runs before it does anything", async ({ empty }) => {
  const blocked = await empty.db.connection().execute(async (session) => {
    await sql`begin`.execute(session);
    await sql`create schema metering`.execute(session);
    // The first one waits for the commit of our schema, and the second one for the first.
    const migrations = [1, 2].map(() => migrate({ databaseUrl: empty.url, log: silentLog }));
    await until(() => isAdvisoryLockAwaited(empty.db), { what: "one migration to wait for the other" });
    await sql`rollback`.execute(session);
    return Promise.allSettled(migrations);
  });

  expect(blocked.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled"]);
});

test("a migration that waits for another one says for which session, and is made when that has ended", async ({
  empty,
}) => {
  const { log, events } = createRecordingLog();
  await empty.db.connection().execute(async (session) => {
    const { rows } = await sql<{ pid: number }>`
      select pg_backend_pid() as pid, pg_advisory_lock(${migrationLockKey})
    `.execute(session);
    const migrated = migrate({ databaseUrl: empty.url, log });
    await until(() => events.length > 0, { what: "the wait to be told" });

    const holders = [
      { pid: rows[0]?.pid, application_name: expect.any(String), session_seconds: expect.any(Number) },
    ];
    expect(events).toEqual([{ event: "migration_awaits_another", holders }]);
    await sql`select pg_advisory_unlock(${migrationLockKey})`.execute(session);
    await migrated;
  });

  expect(await missingMigrations(empty.db)).toEqual([]);
});

test("a migration that fails is named, and nothing of it stays, nor of those before it on a new database", async ({
  empty,
}) => {
  await sql`create schema metering`.execute(empty.db);
  await sql`create table metering.readings ()`.execute(empty.db);

  await expect(migrate({ databaseUrl: empty.url, log: silentLog })).rejects.toThrow("0003_readings failed");

  const { rows } = await sql`select to_regclass('metering.organizations') as found`.execute(empty.db);
  expect(rows).toEqual([{ found: null }]);
});

test("a migration that fails leaves those before it where there were some", async ({ empty }) => {
  await sql`create schema metering`.execute(empty.db);
  const { error } = await createMigrator(empty.db).migrateTo("0001_schema");
  if (error !== undefined) throw error;
  await sql`create table metering.readings ()`.execute(empty.db);

  await expect(migrate({ databaseUrl: empty.url, log: silentLog })).rejects.toThrow("0003_readings failed");

  expect(await listApplied(empty.db)).toEqual(["0001_schema", "0002_organizations"]);
});

test("while a migration waits for its lock, those before it are made and hold none", async ({ empty }) => {
  await sql`create schema metering`.execute(empty.db);
  const { error } = await createMigrator(empty.db).migrateTo("0123_total_reads_no_fresh_events");
  if (error !== undefined) throw error;
  const release = await holdOpen(empty.db, sql`lock table metering.meter_outbox in row exclusive mode`);
  const { log, events } = createRecordingLog();
  const migrated = migrate({ databaseUrl: empty.url, log });
  try {
    await until(() => events.length > 0, { what: "the wait to be told" });
    expect((await listApplied(empty.db)).slice(-2)).toEqual([
      "0124_vacuum_after_so_many_readings",
      beforeGuards,
    ]);
  } finally {
    await release();
  }
  await migrated;

  expect(events.at(-1)).toMatchObject({
    event: "database_migrated",
    applied: expect.arrayContaining([beforeGuards, "0126_guards_after_updates"]),
  });
});

test("a migration that cannot get a lock leaves it to others meanwhile, and is made whole when it can", async ({
  empty,
}) => {
  await sql`create schema metering`.execute(empty.db);
  const { error } = await createMigrator(empty.db).migrateTo(beforeGuards);
  if (error !== undefined) throw error;
  await ensurePartitions(empty.db, { now: new Date(), readingsMaxAgeDays: 1 });
  // As of a transaction that has changed an entry and is forgotten: the migration's lock conflicts with it, and intake's does not.
  const release = await holdOpen(empty.db, sql`lock table metering.meter_outbox in row exclusive mode`);
  const { log, events } = createRecordingLog();
  const migrated = migrate({ databaseUrl: empty.url, log });

  let stored = 0;
  try {
    while (!events.some(({ event }) => event === "migration_awaits_lock") || stored < 20) {
      await storeEntry(empty.db);
      stored += 1;
    }
  } finally {
    await release();
  }
  await migrated;

  expect(await missingMigrations(empty.db)).toEqual([]);
  const [told, done] = events;
  expect(told).toMatchObject({ event: "migration_awaits_lock", holders: [{ pid: expect.any(Number) }] });
  expect(done).toMatchObject({
    event: "database_migrated",
    applied: expect.arrayContaining(["0126_guards_after_updates"]),
  });
});

test("the migrate program exits with 0 on a fresh database, also when run again", async ({
  empty,
  launch,
}) => {
  expect(await launch("migrate", { DATABASE_URL: empty.url }).ended()).toBe(0);
  expect(await launch("migrate", { DATABASE_URL: empty.url }).ended()).toBe(0);

  expect(await missingMigrations(empty.db)).toEqual([]);
});

async function storeEntry(db: Db): Promise<void> {
  await sql`
    insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity)
    values (gen_random_uuid(), now(), metering.uuid_v7(now()), 'temperature_readings', 1)
  `.execute(db);
}

/** Until the returned function ends its transaction, which is forgotten in another session. */
async function holdOpen(db: Db, statement: RawBuilder<unknown>): Promise<() => Promise<void>> {
  const forgotten = await db.startTransaction().execute();
  await sql`set local idle_in_transaction_session_timeout = 0`.execute(forgotten);
  await statement.execute(forgotten);
  return () => forgotten.commit().execute();
}

async function listApplied(db: Db): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select name from metering.kysely_migration order by name
  `.execute(db);
  return rows.map(({ name }) => name);
}

async function isAdvisoryLockAwaited(db: Db): Promise<boolean> {
  const { rows } = await sql`
    select from pg_locks
    where locktype = 'advisory' and not granted
      and database = (select oid from pg_database where datname = current_database())
  `.execute(db);
  return rows.length > 0;
}
