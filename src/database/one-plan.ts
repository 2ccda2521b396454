import { sql } from "kysely";
import type { Db, Trx } from "./db.ts";

/**
 * For the rest of the transaction, reads no table whole where an index serves, whatever the statistics say: after a load or
 * an outage they are those of other tables, and what reads the few rows in some state would read a year of them.
 */
export async function readByIndex(trx: Db): Promise<void> {
  await sql`select set_config('enable_seqscan', 'off', true)`.execute(trx);
}

/** The same, and joins row by row: for statements that begin with a bounded list of keys. */
export async function joinByIndex(trx: Trx): Promise<void> {
  await sql`
    select
      set_config('enable_seqscan', 'off', true),
      set_config('enable_hashjoin', 'off', true),
      set_config('enable_mergejoin', 'off', true)
  `.execute(trx);
}

/** Runs `work` under `readByIndex`, in the transaction that is open or in one of its own. */
export async function byIndex<T>(db: Db, work: (db: Db) => Promise<T>): Promise<T> {
  if (db.isTransaction) {
    await readByIndex(db);
    return work(db);
  }
  return db.transaction().execute(async (trx) => {
    await readByIndex(trx);
    return work(trx);
  });
}
