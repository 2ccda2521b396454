import { sql } from "kysely";
import pg from "pg";
import type { Log } from "../log.ts";
import type { Db } from "./db.ts";

const checkViolation = "23514";

/**
 * Checks old rows against new rules. Migrations add a rule for new rows only, so that they lock nothing for long; this
 * reads the old rows, each table in a transaction that stops neither readers nor writers. Old rows that break a rule
 * are warned of and stay.
 */
export async function validateConstraints({ db, log }: { db: Db; log: Log }): Promise<void> {
  // Partitions first: a rule that holds in each partition is not checked again for the whole table.
  const found = await sql<{ table: string; constraint: string }>`
    select c.relname as table, k.conname as constraint
    from pg_constraint k
    join pg_class c on c.oid = k.conrelid
    where k.connamespace = 'metering'::regnamespace and k.contype = 'c' and not k.convalidated
    order by c.relkind = 'p', c.relname, k.conname
  `.execute(db);
  for (const { table, constraint } of found.rows) {
    try {
      await sql`alter table metering.${sql.ref(table)} validate constraint ${sql.ref(constraint)}`.execute(
        db,
      );
    } catch (error) {
      if (!(error instanceof pg.DatabaseError) || error.code !== checkViolation) throw error;
      log.warn({ event: "constraint_not_valid", table, constraint, message: error.message });
    }
  }
}
