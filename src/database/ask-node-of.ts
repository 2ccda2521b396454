import { type Kysely, sql } from "kysely";
import { limitStatement } from "./limit-statement.ts";
import type { DB } from "./schema.ts";

/** A node that has not answered after this long does not answer. */
export const answerMsMax = 5_000;

/** Reads a row of the organization; throws where its node gives no answer in time. */
export async function askNodeOf(db: Kysely<DB>, organizationId: string): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await limitStatement(trx, Date.now() + answerMsMax);
    await sql`select from metering.sensors where organization_id = ${organizationId} limit 1`.execute(trx);
  });
}
