import { type RawBuilder, sql } from "kysely";
import { type InShard, namesOrganizations } from "../database/by-shard.ts";
import type { Db } from "../database/db.ts";

/** A condition on meter events: they were sealed from entries, so they are not those that send usage again. */
export const isSealedUsage = sql`replaces_id is null and carried_from is null`;

/**
 * The last event that `usage_sums` hold now; null where they are a day behind for this organization, or for any, as after an
 * upgrade or without a worker: then the events themselves are added up. A statement takes it for its plan only, and reads again
 * how far the sums go: in the meantime they may have grown.
 */
export async function readSummedThrough(db: Db, organizationId?: string): Promise<string | null> {
  const isMeant = organizationId === undefined ? sql`` : sql`m.organization_id = ${organizationId} and`;
  const read = await sql<{ through: string | null }>`
    select
      case when (
        select m.id
        from metering.meter_events m
        where ${isMeant} m.id > (select events_through_id from metering.usage_progress)
        order by m.id
        limit 1
      ) < metering.uuid_v7(now() - interval '1 day') then null else p.events_through_id end as through
    from metering.usage_progress p
  `.execute(db);
  return read.rows[0]?.through ?? null;
}

/** Adds up meter events of hours that are over, 100,000 at most. Returns how many. Safe from several workers at once. */
export async function addUpUsage(db: Db): Promise<number> {
  const added = await sql<{ events: number }>`select metering.add_up_usage() as events`.execute(db);
  return added.rows[0]?.events ?? 0;
}

/** Counts the readings of the next hour that is over. Returns whether there was one. Safe from several workers at once. */
export async function countReadings(db: Db): Promise<boolean> {
  const counted = await sql<{ isCounted: boolean }>`select metering.count_readings() as "isCounted"`.execute(
    db,
  );
  return counted.rows[0]?.isCounted === true;
}

/** Of which usage, as expressions of a statement; `summedThrough` as `readSummedThrough` says. */
type Usage = {
  organizationId: RawBuilder<unknown>;
  meter: RawBuilder<unknown>;
  summedThrough: string | null;
  /** Of several organizations on one shard: names them for a table. */
  inShard?: InShard;
};

/** The condition that rows are of this organization. */
function isOf({ organizationId, inShard = namesOrganizations() }: Usage, table: string): RawBuilder<unknown> {
  return sql`organization_id = ${organizationId} ${inShard(table)}`;
}

/** Whole UTC hours from the first on, and before the second, as expressions of a statement. */
export type Hours = { from: RawBuilder<unknown>; to: RawBuilder<unknown> };

const columns = sql`
  organization_id, id, hour, event_at, stripe_customer_id, state, reason, quantity, entries, counted_before, carried_from
`;

/** The condition on events that the sums hold; on all of them where the sums are made of the events themselves. */
function isHeld({ summedThrough }: Usage): RawBuilder<unknown> {
  return summedThrough === null
    ? sql`true`
    : sql`id <= (select events_through_id from metering.usage_progress)`;
}

/** The sums of whole hours: of whole days by the day, and by the hour of those before and after. */
export function sumsOf(usage: Usage, { from, to }: Hours): RawBuilder<unknown> {
  const { meter, summedThrough } = usage;
  if (summedThrough === null) {
    return sql`
      select stripe_customer_id, 1 as events, entries, quantity
      from metering.meter_events
      where ${isOf(usage, "meter_events")} and meter = ${meter} and hour >= ${from} and hour < ${to} and ${isSealedUsage}
    `;
  }
  // Also where no whole hour lies between them, as both are then one moment in the middle of an hour.
  const dayFrom = sql`least(date_trunc('day', ${from} + interval '1 day' - interval '1 microsecond', 'UTC'), ${to})`;
  const dayTo = sql`greatest(date_trunc('day', ${to}, 'UTC'), ${dayFrom})`;
  // Each span is a probe of the index that has all of it; of one condition with three parts the rows would be visited, too.
  return sql`
    select s.*
    from (
      values ('day', ${dayFrom}, ${dayTo}), ('hour', ${from}, ${dayFrom}), ('hour', ${dayTo}, ${to})
    ) span (unit, starts_at, ends_at)
    cross join lateral (
      select stripe_customer_id, events, entries, quantity
      from metering.usage_sums
      where ${isOf(usage, "usage_sums")} and meter = ${meter} and unit = span.unit
        and starts_at >= span.starts_at and starts_at < span.ends_at
      offset 0
    ) s
  `;
}

/**
 * The quantity of each hour, as the sums have it, and how much of it was used before its quarters; null where that is not
 * known. An hour has a row for each customer who pays for some of it.
 */
export function sumsByHour(
  { organizationId, meter, summedThrough }: Usage,
  { from, to }: Hours,
): RawBuilder<unknown> {
  const isMeant = sql`organization_id = ${organizationId} and meter = ${meter}`;
  return summedThrough === null
    ? sql`
        select hour, sum(quantity) as quantity, null::numeric as before_15, null::numeric as before_30, null::numeric as before_45
        from metering.meter_events
        where ${isMeant} and hour >= ${from} and hour < ${to} and ${isSealedUsage}
        group by hour
      `
    : sql`
        select starts_at as hour, quantity, before_15, before_30, before_45
        from metering.usage_sums
        where ${isMeant} and unit = 'hour' and starts_at >= ${from} and starts_at < ${to}
      `;
}

/** The meter events that sums do not hold yet; `is_usage` is false of those that send usage again. */
export function eventsSinceSums(usage: Usage, { from, to }: Hours): RawBuilder<unknown> {
  const { meter, summedThrough } = usage;
  const isSince = summedThrough === null ? sql`false` : sql`id > ${summedThrough} and not (${isHeld(usage)})`;
  return sql`
    select ${columns}, false as is_summed, ${isSealedUsage} as is_usage
    from (
      -- To the planner an hour would seem to be as good a beginning.
      select *
      from metering.meter_events
      where ${isOf(usage, "meter_events")} and ${isSince}
      offset 0
    ) since
    where meter = ${meter} and hour >= ${from} and hour < ${to}
  `;
}

/**
 * All meter events that complete the sums: the ones that the sums do not hold yet, and the ones that correct the sums.
 */
export function eventsBesideSums(usage: Usage, hours: Hours): RawBuilder<unknown> {
  return sql`${eventsSinceSums(usage, hours)} union all ${eventsThatCorrectSums(usage, hours)}`;
}

/**
 * The meter events that correct the sums: the ones in the sums (`is_summed`) that are not delivered, and the ones that send usage
 * again, which the sums never hold. Each part of the statement reads the index whose predicate it repeats.
 */
export function eventsThatCorrectSums(usage: Usage, hours: Hours): RawBuilder<unknown> {
  const { meter } = usage;
  const isEvent = isOf(usage, "meter_events");
  const isMeant = sql`meter = ${meter} and hour >= ${hours.from} and hour < ${hours.to} and ${isHeld(usage)}`;
  return sql`
    select ${columns}, true as is_summed, true as is_usage
    from metering.meter_events
    where ${isEvent} and ${isMeant}
      and state in ('in_doubt', 'rejected', 'expired', 'superseded') and ${isSealedUsage}
    union all
    select ${columns}, true, true
    from (
      select * from metering.meter_events
      where ${isEvent} and meter = ${meter} and state = 'pending'
      offset 0
    ) pending
    where ${isMeant} and ${isSealedUsage}
    union all
    select ${columns}, false, false
    from metering.meter_events
    where ${isEvent} and ${isMeant} and replaces_id is not null
    union all
    select ${columns}, false, false
    from (
      select * from metering.meter_events
      where ${isEvent} and carried_from is not null
      offset 0
    ) carried
    where ${isMeant} and replaces_id is null
  `;
}
