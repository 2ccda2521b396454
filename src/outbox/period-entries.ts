import { type RawBuilder, sql } from "kysely";
import type { Db } from "../database/db.ts";
import { byIndex } from "../database/one-plan.ts";
import { type MeterName, meterNames, meters } from "../usage/meters.ts";
import { eventsSinceSums, isSealedUsage, readSummedThrough, sumsOf } from "./sums.ts";

/** A customer's time of an organization's usage; half-open. */
export type UsagePeriod = { organizationId: string; customer: string; start: Date; end: Date };

/** The recorded usage of a meter in a period, in decimal strings; the latest value of a `last` meter. */
export type PeriodEntries = {
  meter: MeterName;
  entries: number;
  quantity: string;
  /** Those of them that no meter event carries yet. */
  unsealedEntries: number;
  unsealedQuantity: string;
};

/**
 * Entries of a period for which this customer pays, by meter; meters without any are left out. Whole UTC hours come from the
 * sums of their meter events, from those that came since, and from what is not sealed; only what the ends of a customer's time
 * cut out of an hour is read entry by entry. Where retention has dropped entries, the meter events stand for them.
 */
export async function readPeriodEntries(db: Db, period: UsagePeriod): Promise<PeriodEntries[]> {
  const { organizationId } = period;
  const usage = {
    organizationId: sql`${organizationId}::uuid`,
    meter: sql`m.name`,
    summedThrough: await readSummedThrough(db, organizationId),
  };
  const hours = { from: sql`w.whole_from`, to: sql`w.whole_to` };
  const read = await byIndex(db, (trx) =>
    sql<PeriodEntries>`
      with spans as (${paidSpansOf(period)})
      select
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
        select entries, quantity, false from (${eventsSinceSums(usage, hours)}) since where is_usage
        union all
        select 1, o.quantity, true
        from metering.meter_outbox o
        where o.organization_id = ${organizationId} and o.meter = m.name and o.meter_event_id is null
          and o.occurred_at >= w.whole_from and o.occurred_at < w.whole_to
        union all
        select c.entries, c.quantity, c.is_unsealed from (${ofCutHours(period)}) c
      ) e
      group by m.name
      having count(e.entries) > 0
    `.execute(trx),
  );
  const entries: PeriodEntries[] = [];
  for (const one of read.rows) {
    entries.push(meters[one.meter].aggregation === "last" ? await withLatest(db, period, one) : one);
  }
  return entries;
}

/** When this customer pays in a period, with the whole UTC hours of each span. */
export function paidSpansOf({ organizationId, customer, start, end }: UsagePeriod): RawBuilder<unknown> {
  return sql`
    select starts_at, ends_at, whole_from, greatest(date_trunc('hour', ends_at, 'UTC'), whole_from) as whole_to
    from (
      select *, least(date_trunc('hour', starts_at + interval '1 hour' - interval '1 microsecond', 'UTC'), ends_at) as whole_from
      from (
        select greatest(s.starts_at, ${start}) as starts_at, least(s.ends_at, ${end}) as ends_at
        -- Of the organization's few, and not by an index of customers.
        from (select * from metering.customer_spans where organization_id = ${organizationId} offset 0) s
        where s.stripe_customer_id = ${customer} and s.starts_at < ${end} and s.ends_at > ${start}
      ) paid
    ) span
  `;
}

/** The entries of a meter `m` that the ends of a span `w` cut out of an hour. */
function ofCutHours({ organizationId, customer }: UsagePeriod): RawBuilder<unknown> {
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
      where d.organization_id = ${organizationId} and d.meter = m.name and d.stripe_customer_id = ${customer}
        and d.hour > p.starts_at - interval '1 hour' and d.hour < p.ends_at
        and d.event_at >= p.starts_at and d.event_at < p.ends_at
        and d.replaces_id is null and d.carried_from is null
        and date_trunc('month', d.hour, 'UTC') in (
          select month from metering.dropped_partitions where table_name = 'meter_outbox'
        )
    ) e
  `;
}

/** A gauge counts with its latest values; of several at one time, the one that was recorded last. */
async function withLatest(db: Db, period: UsagePeriod, entries: PeriodEntries): Promise<PeriodEntries> {
  const { organizationId } = period;
  const latestUnsealed = sql`(
    select o.quantity, o.occurred_at, o.id
    from metering.meter_outbox o
    where o.organization_id = ${organizationId} and o.meter = m.name and o.meter_event_id is null
      and o.occurred_at >= w.starts_at and o.occurred_at < w.ends_at
    order by o.occurred_at desc, o.id desc
    limit 1
  )`;
  const latest = await byIndex(db, (trx) =>
    sql<{ quantity: string; unsealed: string | null }>`
      with spans as (${paidSpansOf(period)}),
      candidates as (
        select c.*
        from (select ${entries.meter}::text as name) m
        cross join spans w
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
          select quantity, occurred_at, id, is_unsealed from (${ofCutHours(period)}) c
        ) c
      ),
      latest as (select * from candidates order by occurred_at desc, id desc limit 1)
      select
        coalesce(e.quantity, l.quantity)::text as quantity,
        (
          select quantity::text from candidates where is_unsealed order by occurred_at desc, id desc limit 1
        ) as unsealed
      from latest l
      left join lateral (
        select o.quantity
        from metering.meter_outbox o
        where o.organization_id = ${organizationId} and o.meter = ${entries.meter} and o.occurred_at = l.occurred_at
        order by o.id desc
        limit 1
      ) e on true
    `.execute(trx),
  );
  const [row] = latest.rows;
  if (row === undefined) throw new Error(`no entry is the latest of ${entries.entries}`);
  return { ...entries, quantity: row.quantity, unsealedQuantity: row.unsealed ?? "0" };
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

/** Entries of a period that no meter event carries yet, by UTC hour. */
export async function listUnsealedHours(
  db: Db,
  { organizationId, customer, start, end }: UsagePeriod,
  { meter, limit }: { meter: MeterName; limit: number },
): Promise<{ hour: Date; quantity: string }[]> {
  const hours = await sql<{ hour: Date; quantity: string }>`
    select date_trunc('hour', e.occurred_at, 'UTC') as hour, sum(e.quantity)::text as quantity
    from metering.customer_spans w
    cross join lateral (
      select e.occurred_at, e.quantity
      from metering.meter_outbox e
      where e.meter_event_id is null and e.meter = ${meter} and e.organization_id = ${organizationId}
        and e.occurred_at >= greatest(w.starts_at, ${start}) and e.occurred_at < least(w.ends_at, ${end})
    ) e
    where w.organization_id = ${organizationId} and w.stripe_customer_id = ${customer}
    group by 1
    order by 1
    limit ${limit}
  `.execute(db);
  return hours.rows;
}
