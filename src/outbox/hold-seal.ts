import { sql } from "kysely";
import type { Trx } from "../database/db.ts";

/**
 * Keeps seals from running until the transaction ends. It waits for a seal that is running, so that the transaction
 * sees its meter events, and the next seal sees what this transaction wrote. A seal takes the same lock.
 */
export async function holdSeal(trx: Trx): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtext('metering.seal'))`.execute(trx);
}
