import { type RawBuilder, sql } from "kysely";
import { isSealedUsage } from "./sums.ts";
import { bucketAt, inWholeHours, ofPieces, spansOf, unsealedOf, type UsageQuestion } from "./usage-parts.ts";
import { countedOf, latestVersion } from "./versions.ts";

/** More buckets than these cost less in one pass over all their hours. */
const probesMax = 500;

/**
 * The latest value of a `last` meter in each bucket, with its state. A meter event has the value and the time of its latest
 * entry. Where two have the same time, their entries decide: the later id is the later value.
 */
export function usageValues(question: UsageQuestion): RawBuilder<unknown> {
  const { organizationId, meter, buckets } = question;
  const isProbed = buckets.wholes.length <= probesMax;
  const pieces = ofPieces(question, sql`order by occurred_at desc, id desc limit 1`);
  return sql`
    with candidates as (
      select n, event_at as occurred_at, id, id as meter_event_id, quantity, nullif(state, 'superseded') as state
      from (${isProbed ? latestHours(question) : allHours(question)}) whole
      union all
      select n, occurred_at, id, null, quantity, 'pending' from (${unsealedOf(question)}) unsealed
      ${pieces === undefined ? sql`` : sql`union all select n, occurred_at, id, meter_event_id, quantity, null from (${pieces}) piece`}
    ),
    latest as (
      select distinct on (n) *, count(*) over (partition by n, occurred_at) > 1 as is_tied
      from candidates
      order by n, occurred_at desc, id desc
    ),
    -- Only of values that leave something open is more looked up: a join for each of a year's hours would cost most of all.
    decided as (
      select n, quantity, meter_event_id, state from latest where not is_tied
      union all
      select l.n, coalesce(e.quantity, l.quantity),
        case when e.id is null then l.meter_event_id else e.meter_event_id end,
        case when e.id is null then l.state end
      from latest l
      left join lateral (
        select id, meter_event_id, quantity
        from metering.meter_outbox
        where organization_id = ${organizationId} and meter = ${meter} and occurred_at = l.occurred_at
        order by id desc
        limit 1
      ) e on true
      where l.is_tied
    )
    select n, state, quantity as used, case when state = 'delivered' then quantity else 0 end as counted
    from decided
    where state is not null
    union all
    select d.n, coalesce(v.state, 'pending'), d.quantity, ${countedOf(sql`d.quantity`)}
    from decided d
    left join lateral ${latestVersion(sql`${organizationId}::uuid`, sql`d.meter_event_id`)} v on true
    where d.state is null
  `;
}

function allHours({ organizationId, meter, buckets }: UsageQuestion): RawBuilder<unknown> {
  return sql`
    select ${bucketAt(sql`hour`, buckets)} as n, event_at, id, quantity, state
    from metering.meter_events
    where organization_id = ${organizationId} and meter = ${meter} and ${inWholeHours(buckets)} and ${isSealedUsage}
  `;
}

/** The events of each bucket's last whole hour with usage. */
function latestHours({ organizationId, meter, buckets }: UsageQuestion): RawBuilder<unknown> {
  return sql`
    select b.n, m.event_at, m.id, m.quantity, m.state
    from (${spansOf(buckets.wholes)}) b
    cross join lateral (
      select hour
      from metering.meter_events
      where organization_id = ${organizationId} and meter = ${meter}
        and hour >= b.starts_at and hour < b.ends_at and ${isSealedUsage}
      order by hour desc
      limit 1
    ) latest
    join metering.meter_events m
      on m.organization_id = ${organizationId} and m.meter = ${meter} and m.hour = latest.hour
    where m.replaces_id is null and m.carried_from is null
  `;
}
