import { sql } from "kysely";
import type { Db } from "../database/db.ts";

/** Pending meter events whose request to Stripe is under way, or was when its worker was last heard of. */
export async function countInFlight(db: Db): Promise<number> {
  const inFlight = await sql<{ count: number }>`
    select count(*)::float8 as count from metering.meter_events
    where state = 'pending' and attempts_started > attempts_finished
  `.execute(db);
  return inFlight.rows[0]?.count ?? 0;
}
