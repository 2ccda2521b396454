import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import { type MeterName, meters } from "../usage/meters.ts";
import { countedOf, latestVersion } from "./versions.ts";

export const granularities = ["hour", "day", "month"] as const;

export type UsageQuery = {
  meter: MeterName;
  /** Half-open: `from` counts, `to` does not. */
  from: Date;
  to: Date;
  granularity: (typeof granularities)[number];
  /** An IANA name; days and months begin at its midnight. */
  timeZone: string;
  /** From when on all entries are kept; null: none were dropped. */
  keptFrom: Date | null;
};

/** One bucket of usage, cut to the period asked for. `quantity` is all usage; the other fields say where it is now. */
export type UsageBucket = {
  start: Date;
  end: Date;
  quantity: number;
  delivered: number;
  pending: number;
  in_doubt: number;
  rejected: number;
};

/**
 * An organization's usage of a meter by time, from the entries themselves: exact for any time zone, empty buckets
 * included. `sum` meters add up; of a `last` meter each bucket has its latest value. Usage that expired counts as
 * rejected, and a gauge that a newer value overtook is in no state any more.
 *
 * Where entries were dropped, each meter event stands for those that it folded, at the time of the latest: exact in whole
 * UTC hours. They are final, so nothing of them is missing.
 */
export async function readUsage(
  db: Db,
  organizationId: string,
  { meter, from, to, granularity, timeZone, keptFrom }: UsageQuery,
): Promise<UsageBucket[]> {
  const step = sql.lit(`1 ${granularity}`);
  // Hours are steps of absolute time. Days and months are steps of local time, so that a day may have 23 hours.
  const starts =
    granularity === "hour"
      ? sql`generate_series(date_trunc('hour', ${from}::timestamptz, ${timeZone}), ${to}::timestamptz, ${step})`
      : sql`(
          select local_start at time zone ${timeZone} from generate_series(
            date_trunc(${granularity}, ${from}::timestamptz at time zone ${timeZone}),
            ${to}::timestamptz at time zone ${timeZone},
            ${step}
          ) local_start
        )`;
  const ofDroppedEntries =
    keptFrom === null || from >= keptFrom
      ? sql``
      : sql`
          union all
          select quantity, id as meter_event_id, event_at as occurred_at, id
          from metering.meter_events
          where organization_id = ${organizationId} and meter = ${meter} and replaces_id is null
            and carried_from is null
            and hour > b.start - interval '1 hour' and hour < b."end"
            and event_at >= b.start and event_at < b."end"
            and date_trunc('month', hour, 'UTC') in (
              select month from metering.dropped_partitions where table_name = 'meter_outbox'
            )
        `;
  const isLast = meters[meter].aggregation === "last";
  const usage = await sql<UsageBucket>`
    with starts as (
      select s.start, lead(s.start) over (order by s.start) as next_start from ${starts} as s (start)
    ),
    buckets as (
      select greatest(start, ${from}) as start, least(coalesce(next_start, ${to}), ${to}) as "end"
      from starts
      where start < ${to}
    )
    select b.start, b."end", u.*
    from buckets b
    cross join lateral (
      select
        coalesce(sum(used), 0)::float8 as quantity,
        coalesce(sum(counted), 0)::float8 as delivered,
        coalesce(sum(used - counted) filter (where state = 'pending'), 0)::float8 as pending,
        coalesce(sum(used - counted) filter (where state = 'in_doubt'), 0)::float8 as in_doubt,
        coalesce(sum(used - counted) filter (where state in ('rejected', 'expired')), 0)::float8 as rejected
      from (
        select
          coalesce(v.state, 'pending') as state, sum(e.quantity) as used, ${countedOf(sql`sum(e.quantity)`)} as counted
        from (
          select meter_event_id, sum(quantity) as quantity
          from (
            select quantity, meter_event_id, occurred_at, id
            from metering.meter_outbox
            where organization_id = ${organizationId} and meter = ${meter}
              and occurred_at >= b.start and occurred_at < b."end"
            ${ofDroppedEntries}
            ${isLast ? sql`order by occurred_at desc, id desc limit 1` : sql``}
          ) entry
          group by meter_event_id
        ) e
        left join lateral ${latestVersion(sql`${organizationId}::uuid`, sql`e.meter_event_id`)} v on true
        group by v.id, v.state, v.quantity, v.counted_before
      ) version
    ) u
    order by b.start
  `.execute(db);
  return usage.rows;
}

/** Up to when all usage of an organization and meter has reached Stripe. */
export async function usageCompleteThrough(db: Db, organizationId: string, meter: MeterName): Promise<Date> {
  const complete = await sql<{ through: Date }>`
    select least(
      now(),
      (
        select min(occurred_at) from metering.meter_outbox
        where organization_id = ${organizationId} and meter = ${meter} and meter_event_id is null
      ),
      (
        select min(hour) from metering.meter_events
        where organization_id = ${organizationId} and meter = ${meter} and state = 'pending'
      ),
      (
        select min(hour) from metering.meter_events
        where organization_id = ${organizationId} and meter = ${meter} and state = 'in_doubt'
      )
    ) as through
  `.execute(db);
  const [row] = complete.rows;
  if (row === undefined) throw new Error("the time of completeness is missing");
  return row.through;
}
