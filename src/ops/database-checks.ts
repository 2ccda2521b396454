import { type Kysely, sql } from "kysely";
import { missingMigrations } from "../database/migrations.ts";
import type { DB } from "../database/schema.ts";
import type { HealthCheck } from "./health.ts";

/** The checks of every process that works on the database: it answers, and its schema is new enough. */
export function databaseChecks(db: Kysely<DB>): { database: HealthCheck; schema: HealthCheck } {
  return {
    database: async () => {
      try {
        await sql`select 1`.execute(db);
        return undefined;
      } catch {
        return "unreachable";
      }
    },
    schema: async () => {
      try {
        const missing = await missingMigrations(db);
        return missing.length === 0 ? undefined : `missing migrations: ${missing.join(", ")}`;
      } catch {
        return "unknown";
      }
    },
  };
}
