import { Transaction } from "kysely";
import type { Db, Trx } from "./db.ts";

/** Runs `work` in the transaction that is already open, or in one of its own. */
export function inTransaction<T>(db: Db, work: (trx: Trx) => Promise<T>): Promise<T> {
  return db instanceof Transaction ? work(db) : db.transaction().execute(work);
}
