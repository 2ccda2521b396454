import { sql } from "kysely";
import type { Trx } from "./db.ts";

/** Ends each of the transaction's next statements at `untilMs`, in Unix milliseconds; at once where that has passed. */
export async function limitStatement(trx: Trx, untilMs: number): Promise<void> {
  const ms = Math.max(1, untilMs - Date.now());
  await sql`select set_config('statement_timeout', ${String(ms)}, true)`.execute(trx);
}
