import { type RawBuilder, sql } from "kysely";
import { isSealedUsage } from "./sums.ts";
import type { Buckets } from "./usage-buckets.ts";
import {
  bucketAt,
  hoursOf,
  inDividedHours,
  inPeriod,
  inWholeHours,
  spansOf,
  unsealedOf,
  type UsageQuestion,
} from "./usage-parts.ts";
import { countedOf, latestVersion } from "./versions.ts";
import { startOfHour } from "./whole-hours.ts";

/** More buckets than these cost less in one pass over all their hours. */
const probesMax = 500;
const hourMs = 3_600_000;

/**
 * The latest value of a `last` meter in each bucket, with its state. A meter event has the value and the time of its latest
 * entry; of earlier buckets that divide its hour, its other entries tell. Where two have the same time, their entries decide:
 * the later id is the later value.
 */
export function usageValues(question: UsageQuestion): RawBuilder<unknown> {
  const { organizationId, meter, buckets } = question;
  const way = wayOf(buckets);
  return sql`
    with unsealed as materialized (${unsealedOf(question)}),
    ${way === "hour by hour" ? sql`hours as materialized (${hoursWithOne(question)}),` : sql``}
    events as (${eventsOf[way](question)}),
    candidates as (
      select
        ${bucketAt(sql`event_at`, buckets)} as n, event_at as occurred_at, id, id as meter_event_id, quantity,
        nullif(state, 'superseded') as state
      from events
      where ${inPeriod(sql`event_at`, buckets)}
      union all
      select n, occurred_at, id, null, quantity, 'pending' from unsealed
      ${buckets.dividedHours.length === 0 ? sql`` : sql`union all ${otherEntries(question)}`}
    ),
    latest as (
      select distinct on (n) *, coalesce(lead(occurred_at) over one_bucket = occurred_at, false) as is_tied
      from candidates
      window one_bucket as (partition by n order by occurred_at desc, id desc)
      order by n, occurred_at desc, id desc
    ),
    -- Only of values that leave something open is more looked up: a join for each of a year's hours would cost most of all.
    decided as (
      select n, quantity, meter_event_id, state from latest where not is_tied and state is null
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
    select n, state, quantity as used, ${counted} as counted
    from latest
    where not is_tied and state is not null
    ${way === "hour by hour" ? sql`union all select n, state, quantity, ${counted} from hours where tells_all` : sql``}
    union all
    select n, state, quantity, ${counted} from decided where state is not null
    union all
    select d.n, coalesce(v.state, 'pending'), d.quantity, ${countedOf(sql`d.quantity`)}
    from decided d
    left join lateral ${latestVersion(sql`${organizationId}::uuid`, sql`d.meter_event_id`)} v on true
    where d.state is null
  `;
}

const counted = sql`case when state = 'delivered' then quantity else 0 end`;

const columns = sql`hour, event_at, id, quantity, state, entries`;

/** How the events are found that may have a bucket's latest value. */
type Way = "probes" | "hour by hour" | "all";

function wayOf({ starts, wholes }: Buckets): Way {
  if (starts.length <= probesMax) return "probes";
  return wholes.every(({ from, to }) => to - from === hourMs) ? "hour by hour" : "all";
}

const eventsOf: Record<Way, (question: UsageQuestion) => RawBuilder<unknown>> = {
  probes: latestHours,
  "hour by hour": eventsOfOtherHours,
  all: allHours,
};

/**
 * Hours that are a bucket each, with their number. Where one event has all of such an hour, the index by hour tells its value
 * and state: of a year, that spares a visit to thousands of events. Not where a newer value overtook it, as that is looked up.
 */
function hoursWithOne({ organizationId, meter, buckets }: UsageQuestion): RawBuilder<unknown> {
  return sql`
    select
      hour, ${bucketAt(sql`hour`, buckets)} as n, state, quantity,
      events = 1 and state <> 'superseded' and ${inWholeHours(buckets)} and hour not in (select hour from unsealed) as tells_all
    from (
      select hour, count(*) as events, min(state) as state, min(quantity) as quantity
      from metering.meter_events
      where organization_id = ${organizationId} and meter = ${meter} and ${isSealedUsage} and ${inHours(buckets)}
      group by hour
    ) of_hour
  `;
}

function eventsOfOtherHours(question: UsageQuestion): RawBuilder<unknown> {
  return eventsAt(question, sql`select hour from hours where not tells_all`);
}

/** The events of the hours that `hours` selects; `offset 0`, since for a few hours of a year a join may read all of its events. */
function eventsAt({ organizationId, meter }: UsageQuestion, hours: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`
    select event.*
    from (${hours}) wanted
    cross join lateral (
      select ${columns}
      from metering.meter_events m
      where m.organization_id = ${organizationId} and m.meter = ${meter} and m.hour = wanted.hour and ${isSealedUsage}
      offset 0
    ) event
  `;
}

/** A condition on events: their hours have a part in the period. */
function inHours({ starts, end }: Buckets): RawBuilder<boolean> {
  return sql`(hour >= ${startOfHour(new Date(starts[0] ?? end))} and hour < ${new Date(end)})`;
}

function allHours({ organizationId, meter, buckets }: UsageQuestion): RawBuilder<unknown> {
  return sql`
    select ${columns}
    from metering.meter_events
    where organization_id = ${organizationId} and meter = ${meter} and ${isSealedUsage} and ${inHours(buckets)}
  `;
}

/** The events of each bucket's last whole hour with usage, and those of divided hours. */
function latestHours(question: UsageQuestion): RawBuilder<unknown> {
  const { organizationId, meter, buckets } = question;
  return eventsAt(
    question,
    sql`
      select latest.hour
      from (${spansOf(buckets.wholes)}) b
      cross join lateral (
        select hour
        from metering.meter_events
        where organization_id = ${organizationId} and meter = ${meter}
          and hour >= b.starts_at and hour < b.ends_at and ${isSealedUsage}
        order by hour desc
        limit 1
      ) latest
      union all
      ${hoursOf(buckets.dividedHours)}
    `,
  );
}

/** The entries of divided hours before the latest of their event. */
function otherEntries({ organizationId, buckets }: UsageQuestion): RawBuilder<unknown> {
  return sql`
    select ${bucketAt(sql`e.occurred_at`, buckets)}, e.occurred_at, e.id, m.id, e.quantity, nullif(m.state, 'superseded')
    from (select * from events where entries > 1 and ${inDividedHours(buckets)}) m
    cross join lateral (
      select occurred_at, id, quantity
      from metering.meter_outbox
      where organization_id = ${organizationId} and meter_event_id = m.id
        -- In a form that the key of the outbox does not serve, which would read all entries of the hour.
        and (occurred_at < m.event_at and ${inPeriod(sql`occurred_at`, buckets)}) is true
    ) e
  `;
}
