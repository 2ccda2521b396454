import { type RawBuilder, sql } from "kysely";
import type { Db } from "../../database/db.ts";
import type { UsageBucket, UsageQuery } from "../../outbox/usage.ts";
import { countedOf, latestVersion } from "../../outbox/versions.ts";
import { type MeterName, meters } from "../../usage/meters.ts";

/** The same figures from the entries alone, each with what became of its meter event: slow, and plain. */
export async function readUsageByEntries(
  db: Db,
  organizationId: string,
  { meter, from, to, granularity, timeZone }: UsageQuery,
): Promise<UsageBucket[]> {
  const usage = await sql<UsageBucket>`
    with starts as (
      select s.start, lead(s.start) over (order by s.start) as next_start
      from ${startsOf({ from, to, granularity, timeZone })} as s (start)
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
        select coalesce(v.state, 'pending') as state, sum(e.quantity) as used, ${countedOf(sql`sum(e.quantity)`)} as counted
        from (
          select meter_event_id, sum(quantity) as quantity
          from (
            select quantity, meter_event_id, occurred_at, id
            from metering.meter_outbox
            where organization_id = ${organizationId} and meter = ${meter}
              and occurred_at >= b.start and occurred_at < b."end"
            ${onlyLatest(meter)}
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

function startsOf({
  from,
  to,
  granularity,
  timeZone,
}: Pick<UsageQuery, "from" | "to" | "granularity" | "timeZone">): RawBuilder<unknown> {
  const step = sql.lit(`1 ${granularity}`);
  return granularity === "hour"
    ? sql`generate_series(date_trunc('hour', ${from}::timestamptz, ${timeZone}), ${to}::timestamptz, ${step})`
    : sql`(
        select (
          -- The first of the times of this clock: after midnight clocks may go back.
          select min(at) from (values (interval '0'), (interval '1 hour')) back (by)
          cross join lateral (select local_start at time zone ${timeZone} - back.by as at) earlier
          where at at time zone ${timeZone} = local_start or back.by = interval '0'
        )
        from generate_series(
          date_trunc(${granularity}, ${from}::timestamptz at time zone ${timeZone}),
          ${to}::timestamptz at time zone ${timeZone},
          ${step}
        ) local_start
      )`;
}

function onlyLatest(meter: MeterName): RawBuilder<unknown> {
  return meters[meter].aggregation === "last" ? sql`order by occurred_at desc, id desc limit 1` : sql``;
}
