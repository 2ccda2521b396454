import { sql } from "kysely";
import type { PgBoss } from "pg-boss";
import pgBossPackage from "pg-boss/package.json" with { type: "json" };
import type { Db } from "../database/db.ts";
import { queueSchema } from "./queue-schema.ts";

/** The version of pg-boss's own schema that this program works with. */
export const queueSchemaVersion: number = pgBossPackage.pgboss.schema;

const table = sql.table(`${queueSchema}.version`);

/** The version of pg-boss's schema in the database, "lost" when its row is gone, or undefined without the schema. */
export async function readQueueSchemaVersion(db: Db): Promise<number | "lost" | undefined> {
  const found = await sql<{ present: boolean }>`
    select to_regclass(${`${queueSchema}.version`}) is not null as present
  `.execute(db);
  if (found.rows[0]?.present !== true) return undefined;
  const { rows } = await sql<{ version: number }>`select version from ${table}`.execute(db);
  return rows[0]?.version ?? "lost";
}

/**
 * Writes pg-boss's version row again if it is gone: without it no cron fires and no process can start. Only for a
 * pg-boss that has started, since it found this version then.
 */
export async function restoreQueueSchemaVersion(boss: PgBoss): Promise<void> {
  const name = `${queueSchema}.version`;
  await boss
    .getDb()
    .executeSql(`insert into ${name} (version) select $1::int where not exists (select from ${name})`, [
      queueSchemaVersion,
    ]);
}
