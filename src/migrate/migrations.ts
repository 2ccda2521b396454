import { readdir, readFile } from "node:fs/promises";
import { sql } from "kysely";
import { type Migration, type MigrationProvider, Migrator } from "kysely/migration";
import { queueSchemaVersion, readQueueSchemaVersion } from "../queue/schema-version.ts";
import type { Db } from "../database/db.ts";
import { lockWaitMsMax } from "./await-locks.ts";
import { splitStatements } from "./split-statements.ts";

const migrationsFolder = new URL("../../migrations/", import.meta.url);

/**
 * On a cluster, for the rest of the transaction: tables change on several connections to a node, which functions can't follow.
 * The nodes are told what `set local` says.
 */
const oneConnectionPerNode = sql`
  select
    set_config('citus.multi_shard_modify_mode', 'sequential', true),
    set_config('citus.propagate_set_commands', 'local', true)
  from pg_extension where extname = 'citus'
`;

const briefWaits = sql`set local lock_timeout = ${sql.lit(lockWaitMsMax)}`;

/** Kysely's migrations out of `migrations/NNNN_name.sql`, forward only. */
export const sqlMigrations: MigrationProvider = {
  async getMigrations() {
    const migrations: Record<string, Migration> = {};
    for (const { name, text } of await readMigrations()) {
      migrations[name] = {
        up: async (db) => {
          await oneConnectionPerNode.execute(db);
          await briefWaits.execute(db);
          for (const statement of splitStatements(text)) await sql.raw(statement).execute(db);
        },
      };
    }
    return migrations;
  },
};

/** `migrations/NNNN_name.sql` in order, each as plain SQL. `schema.sql` in the same folder is no migration. */
export async function readMigrations(): Promise<{ name: string; text: string }[]> {
  const files = (await readdir(migrationsFolder)).filter((file) => /^\d{4}_\w+\.sql$/.test(file)).toSorted();
  return Promise.all(
    files.map(async (file) => ({
      name: file.replace(/\.sql$/, ""),
      text: await readFile(new URL(file, migrationsFolder), "utf8"),
    })),
  );
}

/** Kysely's migrator over our SQL files, read once; it keeps its own record in the `metering` schema. */
export function createMigrator(db: Db): Migrator {
  let migrations: Promise<Record<string, Migration>> | undefined;
  const provider = { getMigrations: () => (migrations ??= sqlMigrations.getMigrations()) };
  return new Migrator({ db, provider, migrationTableSchema: "metering" });
}

/**
 * The migrations that this program needs and the database does not have, in order. Empty when the schema is new enough.
 * A database that is ahead of the program is accepted: the version before keeps working after each migration.
 */
export async function missingMigrations(db: Db): Promise<string[]> {
  return [...(await missingSqlMigrations(db)), ...(await missingQueueSchema(db))];
}

/** The same without pg-boss's own schema. */
export async function missingSqlMigrations(db: Db): Promise<string[]> {
  const needed = Object.keys(await sqlMigrations.getMigrations()).toSorted();
  const recorded = await sql<{ present: boolean }>`
    select to_regclass('metering.kysely_migration') is not null as present
  `.execute(db);
  if (recorded.rows[0]?.present !== true) return needed;
  const applied = await sql<{ name: string }>`select name from metering.kysely_migration`.execute(db);
  const names = new Set(applied.rows.map((row) => row.name));
  return needed.filter((name) => !names.has(name));
}

/**
 * pg-boss's own schema by the same rule: named when it is missing, is older than this program needs, or lost its
 * version.
 */
async function missingQueueSchema(db: Db): Promise<string[]> {
  const version = await readQueueSchemaVersion(db);
  const isNewEnough = typeof version === "number" && version >= queueSchemaVersion;
  return isNewEnough ? [] : [`pg-boss ${queueSchemaVersion}`];
}
