import { type RawBuilder, sql } from "kysely";
import type { Db, Trx } from "./db.ts";
import { inTransaction } from "./in-transaction.ts";

/**
 * For the rest of the transaction the planner prefers indexes to reading whole tables. After a load or an outage its
 * statistics are out of date, and it would read a year of rows to find a few in some state.
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

/**
 * A condition: the row `m` of a table whose key is `organization_id, id` is the one that `k`, a row of a list, names. It is
 * served by a look into an index for each row of the list, that of the key or of the id. With a plain `=` the planner would
 * also offer to read the table by each index from end to end and to compare every row with every one of the list, and it does
 * so where it takes the table for empty: as after an ANALYZE that ran while the first rows were being written.
 */
export function isOfKey(m: string, k: string): RawBuilder<boolean> {
  const isSame = (column: string) =>
    sql`${sql.ref(`${m}.${column}`)} = any(array[${sql.ref(`${k}.${column}`)}])`;
  return sql`(${isSame("organization_id")} and ${isSame("id")})`;
}

/**
 * Runs `work`, one statement that begins with a bounded list of keys, under `joinByIndex`: at once where the connections
 * plan so already, otherwise in a transaction that is told so.
 */
export async function onKeys<T>(db: Db, work: (db: Db) => Promise<T>): Promise<T> {
  if (db.plansByIndex) return work(db);
  return transactionOnKeys(db, work);
}

/** A transaction under `joinByIndex`. */
export function transactionOnKeys<T>(db: Db, work: (trx: Trx) => Promise<T>): Promise<T> {
  return db.transaction().execute(async (trx) => {
    if (!db.plansByIndex) await joinByIndex(trx);
    return work(trx);
  });
}

/**
 * Runs `work`, a page of a list or the head of a queue, in which its own index is read in its order, and never sorted: at
 * once where the connections plan so already, otherwise in a transaction.
 */
export async function inIndexOrder<T>(db: Db, work: (db: Db) => Promise<T>): Promise<T> {
  if (db.plansByIndex) return work(db);
  return inTransaction(db, async (trx) => {
    await sql`select set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true)`.execute(
      trx,
    );
    return work(trx);
  });
}

/** Runs `work` under `readByIndex`, in the open transaction or in a new one. */
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
