import { Kysely, PostgresDialect } from "kysely";
import type pg from "pg";
import type { DB } from "./schema.ts";

/** Kysely with our tables on top of a pool, which ends with it. */
export function createQueryBuilder(pool: pg.Pool): Kysely<DB> {
  return new Kysely<DB>({ dialect: new PostgresDialect({ pool }) }).withSchema("metering");
}
