import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import { metersFoldedBy } from "../usage/meters.ts";

/** Why an event is in doubt that a restored database takes for undelivered. */
export const restoredReason = "restored_from_backup";

/**
 * Puts in doubt what a restored database takes for undelivered: the lost one may have sent it, and Stripe may have forgotten
 * the identifier. Gauges stay, as only their last value is billed. What was sent again by evidence since sending was paused
 * stays, too. Returns the ids of all events that are in doubt for this reason, those of an earlier call included.
 */
export async function doubtRestored(db: Db, { pausedAt }: { pausedAt: Date }): Promise<string[]> {
  await sql`
    update metering.meter_events
    set state = 'in_doubt', reason = ${restoredReason}
    where state = 'pending' and meter = any(${metersFoldedBy("sum")})
      and (replaces_id is null or sealed_at < ${pausedAt})
  `.execute(db);
  const { rows } = await sql<{ id: string }>`
    select id from metering.meter_events where state = 'in_doubt' and reason = ${restoredReason} order by id
  `.execute(db);
  return rows.map(({ id }) => id);
}
