import { sql } from "kysely";
import type { Trx } from "../../database/db.ts";
import { readDueByMeter } from "../../outbox/minutes.ts";
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
  const due = await readDueByMeter(trx, meterNames, { readMax });
  const pending = await readPending(trx);
  const ofPending = due.map(({ meter }) => pending.find((one) => one.meter === meter));
  await sql`
    update metering.minute_figures f
    set
      unsealed_entries = waiting.entries, unsealed_seconds = waiting.seconds,
      pending = waiting.pending, pending_seconds = case when ${isShadow} then 0 else waiting.pending_seconds end
    from unnest(
      ${due.map(({ meter }) => meter)}::text[], ${due.map(({ entries }) => entries)}::bigint[],
      ${due.map(({ seconds }) => seconds)}::float8[], ${ofPending.map((one) => one?.events ?? 0)}::bigint[],
      ${ofPending.map((one) => one?.seconds ?? 0)}::float8[]
    ) waiting (meter, entries, seconds, pending, pending_seconds)
    where f.minute = ${minute} and f.meter = waiting.meter and f.pending is null
  `.execute(trx);
}

async function readPending(trx: Trx): Promise<{ meter: string; events: number; seconds: number }[]> {
  const pending = await sql<{ meter: string; events: number; seconds: number }>`
    select
      meter, count(*)::float8 as events, greatest(extract(epoch from now() - min(event_at)), 0)::float8 as seconds
    from metering.meter_events
    where state = 'pending'
    group by meter
  `.execute(trx);
  return pending.rows;
}
