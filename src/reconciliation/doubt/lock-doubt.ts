import { sql } from "kysely";
import type { Trx } from "../../database/db.ts";

/** Locks meter events until the transaction ends, with the rights of the function that settles them. */
export async function lockDoubt(
  trx: Trx,
  organizationId: string,
  eventIds: readonly string[],
): Promise<void> {
  await sql`select metering.lock_doubt(${organizationId}::uuid, ${eventIds}::uuid[])`.execute(trx);
}
