import { sql } from "kysely";
import type { Trx } from "../../database/db.ts";
import { dueByMeter } from "../../outbox/minutes.ts";
import { meterNames } from "../../usage/meters.ts";
import { readSending } from "../shadow-mode.ts";

/** Reading stops here, so that a minute costs little more after an outage of many hours. */
const readEntriesMax = 500_000;

/**
 * Writes what waits now beside the figures of this minute, unless a worker has: entries that the seal has not taken, and
 * pending meter events. What Stripe never gets on purpose has no age.
 */
export async function noteWaiting(
  trx: Trx,
  minute: Date,
  { readMax = readEntriesMax }: { readMax?: number } = {},
): Promise<void> {
  const { isShadow } = await readSending(trx);
  // Many entries meet many organizations here: row by row that would take minutes.
  await sql`select set_config('enable_hashjoin', 'on', true)`.execute(trx);
  await sql`
    with pending as (
      select meter, count(*) as events, min(event_at) as oldest_at
      from metering.meter_events
      where state = 'pending'
      group by meter
    )
    update metering.minute_figures f
    set
      unsealed_entries = due.entries,
      unsealed_seconds = coalesce(greatest(extract(epoch from now() - due.oldest_at), 0), 0),
      pending = coalesce((select events from pending p where p.meter = f.meter), 0),
      pending_seconds = case when ${isShadow} then 0 else coalesce(
        greatest(extract(epoch from now() - (select oldest_at from pending p where p.meter = f.meter)), 0), 0
      ) end
    from ${dueByMeter(meterNames, { readMax })} due
    where f.minute = ${minute} and f.meter = due.meter and f.pending is null
  `.execute(trx);
}
