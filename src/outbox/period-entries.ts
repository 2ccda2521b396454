import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import { type MeterName, meterNames, metersFoldedBy } from "../usage/meters.ts";

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
 * Entries of a period for which this customer pays, by meter; meters without any are left out. Where retention has dropped
 * entries, the meter events stand for those that they folded.
 */
export async function readPeriodEntries(db: Db, period: UsagePeriod): Promise<PeriodEntries[]> {
  const { organizationId, customer, start, end } = period;
  const latest = sql`(array_agg(e.quantity order by e.occurred_at desc, e.id desc)`;
  const isUnsealed = sql`e.meter_event_id is null`;
  const read = await sql<PeriodEntries>`
    with spans as (
      select greatest(w.starts_at, ${start}) as starts_at, least(w.ends_at, ${end}) as ends_at
      from metering.customer_spans w
      where w.organization_id = ${organizationId} and w.stripe_customer_id = ${customer}
        and w.starts_at < ${end} and w.ends_at > ${start}
    ),
    e as (
      select o.meter, o.quantity, o.meter_event_id, o.occurred_at, o.id, 1 as entries
      from spans w
      cross join lateral (
        select o.meter, o.quantity, o.meter_event_id, o.occurred_at, o.id
        from metering.meter_outbox o
        where o.organization_id = ${organizationId} and o.occurred_at >= w.starts_at and o.occurred_at < w.ends_at
      ) o
      union all
      select m.meter, m.quantity, m.id, m.event_at, m.id, m.entries
      from metering.meter_events m
      where m.organization_id = ${organizationId} and m.stripe_customer_id = ${customer}
        and m.hour > ${start}::timestamptz - interval '1 hour' and m.hour < ${end}
        and m.event_at >= ${start} and m.event_at < ${end}
        and m.replaces_id is null and m.carried_from is null
        and date_trunc('month', m.hour, 'UTC') in (
          select month from metering.dropped_partitions where table_name = 'meter_outbox'
        )
    )
    select
      e.meter,
      sum(e.entries)::float8 as entries,
      coalesce(
        case when e.meter = any(${metersFoldedBy("last")}) then ${latest})[1] else sum(e.quantity) end, 0
      )::text as quantity,
      coalesce(sum(e.entries) filter (where ${isUnsealed}), 0)::float8 as "unsealedEntries",
      coalesce(
        case
          when e.meter = any(${metersFoldedBy("last")}) then ${latest} filter (where ${isUnsealed}))[1]
          else sum(e.quantity) filter (where ${isUnsealed})
        end,
        0
      )::text as "unsealedQuantity"
    from e
    group by e.meter
  `.execute(db);
  return read.rows;
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
        and e.organization_id = w.organization_id
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
      where e.meter_event_id is null and e.meter = ${meter} and e.organization_id = w.organization_id
        and e.occurred_at >= greatest(w.starts_at, ${start}) and e.occurred_at < least(w.ends_at, ${end})
    ) e
    where w.organization_id = ${organizationId} and w.stripe_customer_id = ${customer}
    group by 1
    order by 1
    limit ${limit}
  `.execute(db);
  return hours.rows;
}
