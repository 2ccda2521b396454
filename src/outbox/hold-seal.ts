import { sql } from "kysely";
import type { Trx } from "../database/db.ts";

/**
 * Lets no seal run until the transaction ends, and waits for the one that is running: what it made is seen afterwards,
 * and the next one sees what this transaction wrote. A seal takes the same lock.
 */
export async function holdSeal(trx: Trx): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtext('metering.seal'))`.execute(trx);
}
