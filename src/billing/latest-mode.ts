import { sql } from "kysely";
import type { Db } from "../database/db.ts";

/** Whether the latest webhook event came from Stripe's live mode; false before the first. */
export async function readLatestMode(db: Db): Promise<boolean> {
  const latest = await sql<{ livemode: boolean }>`
    select livemode from metering.stripe_events order by received_at desc limit 1
  `.execute(db);
  return latest.rows[0]?.livemode ?? false;
}
