import { type RawBuilder, sql } from "kysely";
import type { Db } from "../database/db.ts";
import { byIndex } from "../database/one-plan.ts";
import { type MeterName, meterNames, meters } from "../usage/meters.ts";
import { paidSpansOf, type UsagePeriod, type UsagePeriods } from "./paid-spans.ts";
import { eventsSinceSums, isSealedUsage, readSummedThrough, sumsOf } from "./sums.ts";

/** The recorded usage of a meter in a period, in decimal strings; the latest value of a `last` meter. */
export type PeriodEntries = {
  meter: MeterName;
  entries: number;
  quantity: string;
  /** Those of them that no meter event carries yet. */
  unsealedEntries: number;
  unsealedQuantity: string;
};

type Row = PeriodEntries & { n: number };

/**
 * Entries of each period for which its customer pays, by meter; meters without any are left out. Whole UTC hours come from the
 * sums of their meter events, from those that came since, and from what is not sealed; only what the ends of a customer's time
 * cut out of an hour is read entry by entry. Where retention has dropped entries, the meter events stand for them.
 */
export async function readPeriodEntries(
  db: Db,
  { organizationId, times }: UsagePeriods,
): Promise<PeriodEntries[][]> {
  const usage = {
    organizationId: sql`${organizationId}::uuid`,
    meter: sql`m.name`,
    summedThrough: await readSummedThrough(db, organizationId),
  };
  const hours = { from: sql`w.whole_from`, to: sql`w.whole_to` };
  const allHours = {
    from: sql`(select min(whole_from) from spans)`,
    to: sql`(select max(whole_to) from spans)`,
  };
  const read = await byIndex(db, (trx) =>
    sql<Row>`
      with spans as materialized (${paidSpansOf({ organizationId, times })}),
      since as materialized (
        select m.name as meter, e.hour, e.entries, e.quantity
        from unnest(${meterNames}::text[]) m (name)
        cross join lateral (${eventsSinceSums(usage, allHours)}) e
        where e.is_usage
      )
      select
        w.n::int as n,
        m.name as meter,
        sum(e.entries)::float8 as entries,
        sum(e.quantity)::text as quantity,
        coalesce(sum(e.entries) filter (where e.is_unsealed), 0)::float8 as "unsealedEntries",
        coalesce(sum(e.quantity) filter (where e.is_unsealed), 0)::text as "unsealedQuantity"
      from unnest(${meterNames}::text[]) m (name)
      cross join spans w
      cross join lateral (
        select entries, quantity, false as is_unsealed from (${sumsOf(usage, hours)}) summed
        union all
        select entries, quantity, false
        from since
        where since.meter = m.name and since.hour >= w.whole_from and since.hour < w.whole_to
        union all
        select 1, o.quantity, true
        from metering.meter_outbox o
        where o.organization_id = ${organizationId} and o.meter = m.name and o.meter_event_id is null
          and o.occurred_at >= w.whole_from and o.occurred_at < w.whole_to
        union all
        select c.entries, c.quantity, c.is_unsealed from (${ofCutHours(organizationId)}) c
      ) e
      group by w.n, m.name
      having count(e.entries) > 0
    `.execute(trx),
  );
  const gauges = await readLatest(db, { organizationId, times }, read.rows.filter(isGauge));
  const byTime = Map.groupBy([...read.rows.filter((row) => !isGauge(row)), ...gauges], ({ n }) => n);
  return times.map((_, place) => (byTime.get(place + 1) ?? []).map(withoutNumber));
}

function withoutNumber({ meter, entries, quantity, unsealedEntries, unsealedQuantity }: Row): PeriodEntries {
  return { meter, entries, quantity, unsealedEntries, unsealedQuantity };
}

function isGauge({ meter }: Row): boolean {
  return meters[meter].aggregation === "last";
}

/** The entries of a meter `m` that the ends of a span `w` cut out of an hour. */
function ofCutHours(organizationId: string): RawBuilder<unknown> {
  return sql`
    select e.*
    from (values (w.starts_at, w.whole_from), (w.whole_to, w.ends_at)) p (starts_at, ends_at)
    cross join lateral (
      select 1 as entries, o.quantity, o.meter_event_id is null as is_unsealed, o.occurred_at, o.id
      from metering.meter_outbox o
      where o.organization_id = ${organizationId} and o.meter = m.name
        and o.occurred_at >= p.starts_at and o.occurred_at < p.ends_at
      union all
      select d.entries, d.quantity, false, d.event_at, d.id
      from metering.meter_events d
      where d.organization_id = ${organizationId} and d.meter = m.name and d.stripe_customer_id = w.customer
        and d.hour > p.starts_at - interval '1 hour' and d.hour < p.ends_at
        and d.event_at >= p.starts_at and d.event_at < p.ends_at
        and d.replaces_id is null and d.carried_from is null
        and date_trunc('month', d.hour, 'UTC') in (
          select month from metering.dropped_partitions where table_name = 'meter_outbox'
        )
    ) e
    where p.starts_at < p.ends_at
  `;
}

/** Gauges count with their latest values; of several at one time, the one that was recorded last. */
async function readLatest(
  db: Db,
  { organizationId, times }: UsagePeriods,
  gauges: readonly Row[],
): Promise<Row[]> {
  if (gauges.length === 0) return [];
  const latestUnsealed = sql`(
    select o.quantity, o.occurred_at, o.id
    from metering.meter_outbox o
    where o.organization_id = ${organizationId} and o.meter = m.name and o.meter_event_id is null
      and o.occurred_at >= w.starts_at and o.occurred_at < w.ends_at
    order by o.occurred_at desc, o.id desc
    limit 1
  )`;
  const latest = await byIndex(db, (trx) =>
    sql<{ n: number; meter: MeterName; quantity: string; unsealed: string | null }>`
      with spans as materialized (${paidSpansOf({ organizationId, times })}),
      candidates as materialized (
        select w.n, m.name as meter, c.*
        from unnest(${gauges.map(({ n }) => n)}::int[], ${gauges.map(({ meter }) => meter)}::text[]) m (n, name)
        join spans w on w.n = m.n
        cross join lateral (
          select u.*, true as is_unsealed from ${latestUnsealed} u
          union all
          (
            select quantity, event_at, id, false
            from metering.meter_events
            where organization_id = ${organizationId} and meter = m.name and ${isSealedUsage}
              and hour >= w.whole_from and hour < w.whole_to
            order by hour desc, event_at desc, id desc
            limit 1
          )
          union all
          select quantity, occurred_at, id, is_unsealed from (${ofCutHours(organizationId)}) c
        ) c
      ),
      latest as (select distinct on (n, meter) * from candidates order by n, meter, occurred_at desc, id desc)
      select
        l.n::int as n, l.meter,
        coalesce(e.quantity, l.quantity)::text as quantity,
        (
          select c.quantity::text
          from candidates c
          where c.n = l.n and c.meter = l.meter and c.is_unsealed
          order by c.occurred_at desc, c.id desc
          limit 1
        ) as unsealed
      from latest l
      left join lateral (
        select o.quantity
        from metering.meter_outbox o
        where o.organization_id = ${organizationId} and o.meter = l.meter and o.occurred_at = l.occurred_at
        order by o.id desc
        limit 1
      ) e on true
    `.execute(trx),
  );
  return gauges.map((one) => {
    const row = latest.rows.find(({ n, meter }) => n === one.n && meter === one.meter);
    if (row === undefined) throw new Error(`no entry is the latest of ${one.entries}`);
    return { ...one, quantity: row.quantity, unsealedQuantity: row.unsealed ?? "0" };
  });
}

/** Whether entries of a period for which this customer pays are in no meter event yet. Probes of an index. */
export async function hasUnsealedEntries(db: Db, period: UsagePeriod): Promise<boolean> {
  const { organizationId, customer, start, end } = period;
  const found = await sql`
    select 1
    from metering.customer_spans w
    cross join lateral (
      select 1 from metering.meter_outbox e
      where e.meter_event_id is null and e.meter = any(${meterNames}::text[])
        and e.organization_id = ${organizationId}
        and e.occurred_at >= greatest(w.starts_at, ${start}) and e.occurred_at < least(w.ends_at, ${end})
      limit 1
    ) unsealed
    where w.organization_id = ${organizationId} and w.stripe_customer_id = ${customer}
    limit 1
  `.execute(db);
  return found.rows.length > 0;
}

/** Entries of each period and meter that no meter event carries yet, by UTC hour; `limit` hours of each. */
export async function listUnsealedHours(
  db: Db,
  { organizationId, times }: UsagePeriods,
  { limit }: { limit: number },
): Promise<{ n: number; meter: MeterName; hour: Date; quantity: string }[]> {
  const hours = await byIndex(db, (trx) =>
    sql<{ n: number; meter: MeterName; hour: Date; quantity: string }>`
      with spans as materialized (${paidSpansOf({ organizationId, times })})
      select n::int as n, meter, hour, quantity::text as quantity
      from (
        select w.n, m.name as meter, e.hour, sum(e.quantity) as quantity,
          row_number() over (partition by w.n, m.name order by e.hour) as place
        from spans w
        cross join unnest(${meterNames}::text[]) m (name)
        cross join lateral (
          select date_trunc('hour', o.occurred_at, 'UTC') as hour, o.quantity
          from metering.meter_outbox o
          where o.meter_event_id is null and o.meter = m.name and o.organization_id = ${organizationId}
            and o.occurred_at >= w.starts_at and o.occurred_at < w.ends_at
          offset 0
        ) e
        group by w.n, m.name, e.hour
      ) of_hour
      where place <= ${limit}
      order by n, meter, hour
    `.execute(trx),
  );
  return hours.rows;
}
