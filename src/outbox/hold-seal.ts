import { sql, type Transaction } from "kysely";
import type { DB } from "../database/schema.ts";

/**
 * Lets no seal run until the transaction ends, and waits for the one that is running: what it made is seen afterwards,
 * and the next one sees what this transaction wrote. A seal takes the same lock.
 */
export async function holdSeal(trx: Transaction<DB>): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtext('metering.seal'))`.execute(trx);
}
