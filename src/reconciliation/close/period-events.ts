import { sql } from "kysely";
import { byIndex } from "../../database/one-plan.ts";
import type { Db } from "../../database/db.ts";
import type { MeterEventState } from "../../delivery/meter-event-states.ts";
import { timesAsRows, type UsagePeriods, withWholeHours } from "../../outbox/paid-spans.ts";
import { eventsBesideSums, readSummedThrough, sumsOf } from "../../outbox/sums.ts";
import { type MeterName, meterNames, meters, metersFoldedBy } from "../../usage/meters.ts";
import type { BillingPeriod } from "./billing-periods.ts";

/** Our meter events of a period, whose timestamps lie in it. Quantities are decimal strings; of a `last` meter the latest. */
export type PeriodEvents = {
  meter: MeterName;
  states: Partial<Record<MeterEventState, { count: number; quantity: string }>>;
  /** The quantity at Stripe: of delivered events, and the counted part of replaced ones. */
  sent: string;
  /** The quantity of all events but superseded ones, whose replacements count in their place. */
  counted: string;
  /** Usage of earlier periods among them. */
  carriedIn: string;
  /** Of this period's usage what a later period carries although it was sent in this one, too. */
  carriedOut: string;
};

type Row = {
  n: number;
  meter: MeterName;
  state: MeterEventState;
  /** Superseded because another path bills it, which is what our comparison calls certain. */
  isElsewhere: boolean;
  count: number;
  quantity: string;
  countedBefore: string;
  carriedIn: string;
  /** Of the events that are looked at one by one, and of a gauge's delivered ones. */
  latestAt: Date | null;
};

/** Adds up the meter events of each period by meter and state; of meters without events there is nothing. */
export async function readPeriodEvents(db: Db, periods: UsagePeriods): Promise<PeriodEvents[][]> {
  const rows = await addUp(db, periods);
  const carried = await readCarriedOut(db, periods);
  return periods.times.map((_, place) => {
    const ofPeriod = ({ n }: { n: number }) => n === place + 1;
    return totals(rows.filter(ofPeriod), carried.filter(ofPeriod));
  });
}

function totals(rows: readonly Row[], carried: readonly Carried[]): PeriodEvents[] {
  const named = new Set([...rows, ...carried].map(({ meter }) => meter));
  return [...named].map((meter) =>
    total(
      meter,
      rows.filter((row) => row.meter === meter),
      carried.find((one) => one.meter === meter)?.quantity ?? "0",
    ),
  );
}

const isBilledElsewhere = sql`state = 'superseded' and reason = 'billed_elsewhere'`;

/**
 * The sums of whole UTC hours, as if all of their events were delivered; events beside the sums one by one, read once for all
 * periods; and those of hours that a period's ends divide. Of a gauge the latest delivered event is looked up, as the sums
 * tell only how many there are.
 */
async function addUp(db: Db, { organizationId, times }: UsagePeriods): Promise<Row[]> {
  const usage = {
    organizationId: sql`${organizationId}::uuid`,
    meter: sql`m.name`,
    summedThrough: await readSummedThrough(db, organizationId),
  };
  const wholeHours = { from: sql`p.whole_from`, to: sql`p.whole_to` };
  const allHours = {
    from: sql`(select min(whole_from) from periods)`,
    to: sql`(select max(whole_to) from periods)`,
  };
  const itsEvents = sql`
    from metering.meter_events
    where organization_id = ${organizationId} and meter = m.name and stripe_customer_id = p.customer
  `;
  const columns = sql`state, is_elsewhere, events, quantity, counted_before, carried_from, event_at, id`;
  const rows = await byIndex(db, (trx) =>
    sql<Row>`
      with periods as materialized (select * from ${withWholeHours(timesAsRows(times))}),
      meters as materialized (
        select name, name = any(${metersFoldedBy("last")}::text[]) as is_gauge from unnest(${meterNames}::text[]) name
      ),
      beside as materialized (
        select m.name as meter, m.is_gauge, e.hour, e.stripe_customer_id, part.*
        from meters m
        cross join lateral (${eventsBesideSums(usage, allHours)}) e
        cross join lateral (
          select e.state, ${isBilledElsewhere} as is_elsewhere, 1 as events, e.quantity, e.counted_before, e.carried_from,
            e.event_at, e.id
          union all
          select 'delivered', false, -1, -e.quantity, 0, null, null, null where e.is_summed
        ) part
      ),
      events as (
        select p.n, m.name as meter, m.is_gauge, part.*
        from periods p
        cross join meters m
        cross join lateral (
          select 'delivered' as state, false as is_elsewhere, events, quantity, 0 as counted_before,
            null::timestamptz as carried_from, null::timestamptz as event_at, null::uuid as id
          from (${sumsOf(usage, wholeHours)}) summed
          where stripe_customer_id = p.customer
          union all
          select state, ${isBilledElsewhere}, 1, e.quantity, counted_before, carried_from, event_at, id
          from (values (p.starts_at, p.whole_from), (p.whole_to, p.ends_at)) cut (starts_at, ends_at)
          cross join lateral (
            select * ${itsEvents}
              and hour >= date_trunc('hour', cut.starts_at, 'UTC') and hour < cut.ends_at
              and event_at >= cut.starts_at and event_at < cut.ends_at
            offset 0
          ) e
          where cut.starts_at < cut.ends_at
          union all
          (
            select 'delivered', false, 0, quantity, 0, null, event_at, id ${itsEvents}
              and state = 'delivered' and hour = (
                select hour
                from (
                  select hour, state, stripe_customer_id
                  from metering.meter_events
                  where organization_id = ${organizationId} and meter = m.name
                    and m.is_gauge and hour >= p.whole_from and hour < p.whole_to
                  order by hour desc
                  -- The rest is asked of each from the newest on: with it, the planner would collect and sort the period first.
                  offset 0
                ) newest
                where state = 'delivered' and stripe_customer_id = p.customer
                limit 1
              )
            order by event_at desc, id desc
            limit 1
          )
        ) part
        union all
        select p.n, b.meter, b.is_gauge, ${columns}
        from periods p
        join beside b on b.hour >= p.whole_from and b.hour < p.whole_to and b.stripe_customer_id = p.customer
      )
      select
        e.n::int as n, e.meter, e.state, e.is_elsewhere as "isElsewhere", sum(e.events)::float8 as count,
        case
          when e.is_gauge then (array_agg(e.quantity order by e.event_at desc nulls last, e.id desc) filter (where e.is_gauge))[1]
          else sum(e.quantity)
        end::text as quantity,
        sum(e.counted_before)::text as "countedBefore",
        coalesce(sum(e.quantity) filter (where e.carried_from is not null), 0)::text as "carriedIn",
        max(e.event_at) as "latestAt"
      from events e
      group by e.n, e.meter, e.is_gauge, e.state, e.is_elsewhere
      having sum(e.events) > 0
    `.execute(trx),
  );
  return rows.rows;
}

function total(meter: MeterName, rows: readonly Row[], carriedOut: string): PeriodEvents {
  const counting = rows.filter(({ state, isElsewhere }) => state !== "superseded" || isElsewhere);
  const delivered = rows.filter(({ state }) => state === "delivered");
  // What Stripe had counted of a superseded event, the one that replaces it carries.
  const before = counting.map(({ countedBefore }) => countedBefore);
  return {
    meter,
    states: Object.fromEntries(
      [...new Set(rows.map(({ state }) => state))].map((state) => [state, stateOf(meter, rows, state)]),
    ),
    sent: fold(meter, delivered, before),
    counted: fold(meter, counting, before),
    carriedIn: add(counting.map(({ carriedIn }) => carriedIn)),
    carriedOut,
  };
}

function stateOf(
  meter: MeterName,
  rows: readonly Row[],
  state: MeterEventState,
): { count: number; quantity: string } {
  const its = rows.filter((row) => row.state === state);
  return { count: its.reduce((sum, { count }) => sum + count, 0), quantity: fold(meter, its, []) };
}

function fold(meter: MeterName, rows: readonly Row[], before: readonly string[]): string {
  if (meters[meter].aggregation === "sum") return add([...rows.map(({ quantity }) => quantity), ...before]);
  const [latest] = rows.toSorted((a, b) => Number(b.latestAt) - Number(a.latestAt));
  return latest?.quantity ?? "0";
}

function add(quantities: readonly string[]): string {
  return String(quantities.reduce((sum, quantity) => sum + BigInt(quantity), 0n));
}

type Carried = { n: number; meter: MeterName; quantity: string };

async function readCarriedOut(db: Db, { organizationId, times }: UsagePeriods): Promise<Carried[]> {
  const carried = await byIndex(db, (trx) =>
    sql<Carried>`
      select p.n::int as n, e.meter, sum(e.quantity)::text as quantity
      from ${timesAsRows(times)}
      cross join lateral (
        select meter, quantity
        from metering.meter_events
        where organization_id = ${organizationId} and carried_from = p.starts_at and replaces_id is null
          and stripe_customer_id = p.customer
      ) e
      group by p.n, e.meter
    `.execute(trx),
  );
  return carried.rows;
}

/** Whether meter events of a period are neither certainly at Stripe nor certainly given up. */
export async function hasOpenEvents(
  db: Db,
  { organizationId, customer, start, end }: BillingPeriod,
  { isShadow }: { isShadow: boolean },
): Promise<boolean> {
  // Beside another path that sends, nothing leaves `pending`.
  const open = isShadow ? ["in_doubt"] : ["pending", "in_doubt"];
  const found = await byIndex(db, (trx) =>
    sql`
      select
      from metering.meter_events
      where organization_id = ${organizationId} and stripe_customer_id = ${customer}
        and meter = any(${Object.keys(meters)}::text[])
        and hour > ${start}::timestamptz - interval '1 hour' and hour < ${end}
        and event_at >= ${start} and event_at < ${end}
        and state = any(${open}::text[])
      limit 1
    `.execute(trx),
  );
  return found.rows.length > 0;
}
