import { sql } from "kysely";
import { billedUntil } from "./held.ts";

/**
 * What was taken in, by `minute` and `meter`: `entries` and `quantity`. A subquery. Reads one range of the outbox's key for
 * each organization, whatever else the outbox holds.
 */
export function takenByMinute({ from, to }: { from: Date; to: Date }) {
  return sql`(
    select date_trunc('minute', e.occurred_at, 'UTC') as minute, e.meter, count(*) as entries, sum(e.quantity) as quantity
    from metering.meter_outbox e
    -- As a list, so that no plan reads the key of all organizations from end to end.
    where e.organization_id = any(array(select id from metering.organizations))
      and e.occurred_at >= ${from} and e.occurred_at < ${to}
    group by 1, 2
  )`;
}

/**
 * Entries that wait for the seal, by `meter`: `entries` and `oldest_at` of those with a paying customer. Reads so many
 * unsealed entries at most, held ones too; where there are more, `entries` counts those that were read, and the oldest is
 * found by one index entry of each organization and month.
 */
export function dueByMeter(meters: readonly string[], { readMax }: { readMax: number }) {
  return sql`(
    with billed as materialized (select organization_id, billed_until from ${billedUntil} b),
    unsealed as materialized (
      select meter, organization_id, occurred_at
      from metering.meter_outbox
      where meter_event_id is null and meter = any(${meters})
      limit ${readMax}
    ),
    due as (
      select u.meter, count(*) as entries, min(u.occurred_at) as oldest_at
      from unsealed u
      join billed b on b.organization_id = u.organization_id and u.occurred_at < b.billed_until
      group by 1
    )
    select
      m.meter, coalesce(d.entries, 0) as entries,
      case when (select count(*) from unsealed) < ${readMax} then d.oldest_at
      else (
        select min(oldest.occurred_at)
        from billed b
        cross join lateral (
          select e.occurred_at
          from metering.meter_outbox e
          where e.meter_event_id is null and e.meter = m.meter and e.organization_id = b.organization_id
            and e.occurred_at < b.billed_until and e.occurred_at > '-infinity'
          order by e.occurred_at
          limit 1
        ) oldest
      ) end as oldest_at
    from unnest(${meters}::text[]) m (meter)
    left join due d on d.meter = m.meter
  )`;
}
