import { sql } from "kysely";
import type { Log } from "../log.ts";
import { installQueues } from "../queue/install.ts";
import { awaitLocks, type LockPatience, lockWaitMsMax, migrateSessions } from "./await-locks.ts";
import { findSharedCustomers } from "../database/customer-taken.ts";
import { distribute } from "./distribute.ts";
import { createMigrator, missingSqlMigrations, sqlMigrations } from "./migrations.ts";
import { ensurePartitions } from "../database/partitions.ts";
import { openDatabase } from "../database/pool.ts";
import { hasSharedSessions, sharedSessionsFault } from "../database/shared-sessions.ts";
import type { Db } from "../database/db.ts";
import { validateConstraints } from "../database/validate-constraints.ts";

/** "meter-ou" in ASCII: no other program on the server takes this lock by chance. */
export const migrationLockKey = "7882832134917926261";

export type MigrateInput = {
  databaseUrl: string;
  log: Log;
  /** On `citus` the tables are distributed after the migrations. */
  backend?: "postgres" | "citus";
  readingsMaxAgeDays?: number;
  now?: Date;
  lockPatience?: LockPatience;
};

/**
 * Brings the database to this program's schema: our tables, the coming months' partitions, and pg-boss's own schema
 * with our queues. Forward only, under one lock for the database, safe to run twice and at once. No statement waits for a
 * lock for long; what could not get one is done again for ten minutes. Throws with the name of the migration that failed;
 * nothing of it stays, and those before it do, unless the database was new.
 */
export async function migrate(input: MigrateInput): Promise<void> {
  await underMigrationLock(input, async () => {
    const database = openDatabase(
      {
        connectionString: input.databaseUrl,
        applicationName: migrateSessions,
        connectionsMax: 2,
        statementTimeoutMs: 0,
        lockWaitMsMax,
      },
      input.log,
    );
    try {
      if (await hasSharedSessions(database.db)) throw new Error(sharedSessionsFault);
      const done = await migrateWith(database.db, input);
      input.log.info({ event: "database_migrated", ...done });
    } finally {
      await database.close();
    }
  });
}

async function migrateWith(db: Db, { log, lockPatience, ...input }: MigrateInput) {
  const step = <T>(work: () => Promise<T>) => awaitLocks({ db, log }, work, lockPatience);
  const applied: string[] = [];
  await step(() => applyMigrations(db, applied));
  const distributed = input.backend === "citus" ? { distributed: await step(() => distribute(db)) } : {};
  const month = { now: input.now ?? new Date(), readingsMaxAgeDays: input.readingsMaxAgeDays ?? 365 };
  const partitions = await step(() => ensurePartitions(db, month));
  await step(() => validateConstraints({ db, log }));
  await step(() => installQueues({ db, log }, input.databaseUrl));
  await warnOfSharedCustomers(db, log);
  return { applied, ...distributed, partitions };
}

/**
 * Adds the names of those that were missing to `applied`. Each is a transaction of its own: what one locks is free again while
 * the next one works or waits. On a new database, which no process uses yet, all are one, which takes a third of the
 * time. A database that is ahead of the program is left as it is.
 */
async function applyMigrations(db: Db, applied: string[]): Promise<void> {
  await sql`create schema if not exists metering`.execute(db);
  const missing = await missingSqlMigrations(db);
  const isNew = missing.length === Object.keys(await sqlMigrations.getMigrations()).length;
  const migrator = createMigrator(db);
  // Kysely makes all up to a name in one transaction, and refuses a database with a migration that it does not know.
  for (const name of isNew ? missing.slice(-1) : missing) {
    const { error, results = [] } = await migrator.migrateTo(name);
    if (error !== undefined) {
      const failed = results.find((result) => result.status === "Error");
      throw new Error(`migration ${failed?.migrationName ?? "set-up"} failed`, { cause: error });
    }
    applied.push(...results.map((result) => result.migrationName));
  }
}

// Databases from before that was refused may have such pairs. Only one of the two gauges is billed, and a migration
// cannot know which link is wrong.
async function warnOfSharedCustomers(db: Db, log: Log): Promise<void> {
  for (const { customer, organizationIds } of await findSharedCustomers(db)) {
    log.warn({ event: "customer_shared", stripe_customer_id: customer, organization_ids: organizationIds });
  }
}

// A session lock on its own connection, so that it also covers pg-boss's migrations, which open a connection of their
// own. If the lock is lost in the middle, Kysely's and pg-boss's own locks still keep two runs from migrating at once.
async function underMigrationLock(
  { databaseUrl, log }: MigrateInput,
  work: () => Promise<void>,
): Promise<void> {
  const lock = openDatabase(
    {
      connectionString: databaseUrl,
      applicationName: "meter-outbox migrate lock",
      connectionsMax: 1,
      statementTimeoutMs: 0,
    },
    log,
  );
  try {
    await lock.db.connection().execute(async (session) => {
      await takeMigrationLock(session, log);
      await work();
      // The server may notice the end of the session later, and the next run would wait for it.
      await sql`select pg_advisory_unlock(${migrationLockKey})`.execute(session);
    });
  } finally {
    await lock.close();
  }
}

// Waits as long as another run has the lock, and says so: the session of a run whose machine was lost keeps it for hours.
async function takeMigrationLock(session: Db, log: Log): Promise<void> {
  const { rows } = await sql<{ is_taken: boolean }>`
    select pg_try_advisory_lock(${migrationLockKey}) as is_taken
  `.execute(session);
  if (rows[0]?.is_taken === true) return;
  log.warn({ event: "migration_awaits_another", holders: await listLockHolders(session) });
  await sql`select pg_advisory_lock(${migrationLockKey})`.execute(session);
}

/** Empty where the other run has just ended. */
async function listLockHolders(session: Db): Promise<object[]> {
  const { rows } = await sql<{
    pid: number;
    application_name: string | null;
    session_seconds: number | null;
  }>`
    select l.pid, a.application_name, extract(epoch from clock_timestamp() - a.backend_start)::int as session_seconds
    from pg_locks l
    join pg_database d on d.oid = l.database and d.datname = current_database()
    left join pg_stat_activity a on a.pid = l.pid
    where l.locktype = 'advisory' and l.granted and l.objsubid = 1
      and (l.classid::bigint << 32) | l.objid::bigint = ${migrationLockKey}
  `.execute(session);
  return rows;
}
