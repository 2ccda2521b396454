import { sql } from "kysely";
import type { Trx } from "../../database/db.ts";
import { dueEntries } from "../../outbox/minutes.ts";
import { meterNames } from "../../usage/meters.ts";
import { readSending } from "../shadow-mode.ts";

/** Counting stops here, so that a minute costs no more after an outage of many hours. */
const countedEntriesMax = 500_000;

/**
 * Writes what waits now beside the figures of this minute, unless a worker has: entries that the seal has not taken, and
 * pending meter events. What Stripe never gets on purpose has no age.
 */
export async function noteWaiting(trx: Trx, minute: Date): Promise<void> {
  const { isShadow } = await readSending(trx);
  const ofThisMeter = sql`f.meter`;
  await sql`
    with pending as (
      select meter, count(*) as events, min(event_at) as oldest_at
      from metering.meter_events
      where state = 'pending'
      group by meter
    )
    update metering.minute_figures f
    set
      unsealed_entries = (
        select count(*)
        from (select 1 from ${dueEntries(ofThisMeter, { ofEachMax: null })} limit ${countedEntriesMax}) counted
      ),
      unsealed_seconds = coalesce(
        greatest(
          extract(epoch from now() - (select min(occurred_at) from ${dueEntries(ofThisMeter, { ofEachMax: 1 })})), 0
        ), 0
      ),
      pending = coalesce((select events from pending p where p.meter = f.meter), 0),
      pending_seconds = case when ${isShadow} then 0 else coalesce(
        greatest(extract(epoch from now() - (select oldest_at from pending p where p.meter = f.meter)), 0), 0
      ) end
    where f.minute = ${minute} and f.meter = any(${meterNames}) and f.pending is null
  `.execute(trx);
}
