import { sql } from "kysely";
import type { Trx } from "../../database/db.ts";
import { takenByMinute } from "../../outbox/minutes.ts";
import { meterNames } from "../../usage/meters.ts";
import { growth, stepMax } from "./latencies.ts";
import type { Minutes } from "./plan-turn.ts";

/**
 * Counts what was taken in and attempted in each of these minutes, from the rows, and writes or renews their figures. The
 * attempts are found by their block ranges: the cost grows with the number of organizations and with the usage of these
 * minutes, not with that of before.
 */
export async function countMinutes(trx: Trx, { from, to }: Minutes): Promise<void> {
  await sql`
    with tried as materialized (
      select
        date_trunc('minute', a.started_at, 'UTC') as minute, m.meter, a.verdict,
        -- Of what made no request there is no time of Stripe's.
        case when a.http_status is not null or a.verdict = 'unknown' then
          least(ceil(ln(greatest(a.duration_ms, 1)) / ln(${growth}::double precision)), ${stepMax})::integer
        end as step,
        count(*) as attempts, sum(m.quantity) as quantity
      from metering.delivery_attempts a
      cross join lateral (
        select meter, quantity from metering.meter_events
        where organization_id = a.organization_id and id = a.meter_event_id
        limit 1
      ) m
      where a.started_at >= ${from} and a.started_at < ${to}
      group by 1, 2, 3, 4
    ),
    verdicts as (
      select
        minute, meter,
        sum(attempts) filter (where verdict = 'delivered') as delivered,
        sum(quantity) filter (where verdict = 'delivered') as delivered_quantity,
        sum(attempts) filter (where verdict = 'rejected') as rejected,
        sum(attempts) filter (where verdict = 'retry') as retried,
        sum(attempts) filter (where verdict = 'unknown') as unanswered
      from tried
      group by 1, 2
    ),
    latencies as (
      select minute, meter, jsonb_object_agg(step, attempts) as latencies
      from (
        select minute, meter, step, sum(attempts) as attempts from tried where step is not null group by 1, 2, 3
      ) by_step
      group by 1, 2
    )
    insert into metering.minute_figures (
      minute, meter, entries, quantity, delivered, delivered_quantity, rejected, retried, unanswered, latencies
    )
    select
      minute, meter, coalesce(t.entries, 0), coalesce(t.quantity, 0), coalesce(v.delivered, 0),
      coalesce(v.delivered_quantity, 0), coalesce(v.rejected, 0), coalesce(v.retried, 0), coalesce(v.unanswered, 0),
      coalesce(l.latencies, '{}')
    from generate_series(${from}::timestamptz, ${to}::timestamptz - interval '1 minute', interval '1 minute') minute
    cross join unnest(${meterNames}::text[]) meter
    left join ${takenByMinute({ from, to })} t using (minute, meter)
    left join verdicts v using (minute, meter)
    left join latencies l using (minute, meter)
    on conflict (minute, meter) do update set
      entries = excluded.entries, quantity = excluded.quantity, delivered = excluded.delivered,
      delivered_quantity = excluded.delivered_quantity, rejected = excluded.rejected, retried = excluded.retried,
      unanswered = excluded.unanswered, latencies = excluded.latencies
  `.execute(trx);
}
