import { sql } from "kysely";
import { byIndex } from "../../database/one-plan.ts";
import type { Db } from "../../database/db.ts";
import type { MeterEventState } from "../../delivery/meter-event-states.ts";
import type { UsagePeriod } from "../../outbox/period-entries.ts";
import { eventsBesideSums, readSummedThrough, sumsOf } from "../../outbox/sums.ts";
import { startOfHour, wholeHoursOf } from "../../outbox/whole-hours.ts";
import { type MeterName, meters, metersFoldedBy } from "../../usage/meters.ts";
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
  meter: MeterName;
  state: MeterEventState;
  /** Superseded because another path bills it, which is what our comparison calls certain. */
  isElsewhere: boolean;
  count: number;
  quantity: string;
  countedBefore: string;
  carriedIn: string;
  /** Of a gauge. */
  latestAt?: Date;
};

/** Adds up a period's meter events by meter and state; of meters without events there is nothing. */
export async function readPeriodEvents(db: Db, period: UsagePeriod): Promise<PeriodEvents[]> {
  const rows = [...(await addUpSums(db, period)), ...(await addUpGauges(db, period))];
  const carried = await readCarriedOut(db, period);
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
 * Of meters that add up: the sums of whole UTC hours, as if all of them were delivered; events beside the sums one by one; and
 * those of hours that the period's ends divide.
 */
async function addUpSums(db: Db, { organizationId, customer, start, end }: UsagePeriod): Promise<Row[]> {
  const { whole, cut } = wholeHoursOf({ from: start, to: end });
  const usage = {
    organizationId: sql`${organizationId}::uuid`,
    meter: sql`m.name`,
    summedThrough: await readSummedThrough(db, organizationId),
  };
  const hours = { from: sql`${whole.from}::timestamptz`, to: sql`${whole.to}::timestamptz` };
  const ofCut = cut.map(
    ({ from, to }) => sql`
      union all
      select state, ${isBilledElsewhere}, 1, quantity, counted_before, carried_from
      from metering.meter_events
      where organization_id = ${organizationId} and meter = m.name and stripe_customer_id = ${customer}
        and hour >= ${startOfHour(from)} and hour < ${to} and event_at >= ${from} and event_at < ${to}
    `,
  );
  const rows = await byIndex(db, (trx) =>
    sql<Row>`
      select
        m.name as meter, e.state, e.is_elsewhere as "isElsewhere", sum(e.events)::float8 as count,
        sum(e.quantity)::text as quantity, sum(e.counted_before)::text as "countedBefore",
        coalesce(sum(e.quantity) filter (where e.carried_from is not null), 0)::text as "carriedIn"
      from unnest(${metersFoldedBy("sum")}::text[]) m (name)
      cross join lateral (
        select 'delivered' as state, false as is_elsewhere, events, quantity, 0 as counted_before,
          null::timestamptz as carried_from
        from (${sumsOf(usage, hours)}) summed
        where stripe_customer_id = ${customer}
        union all
        select part.*
        from (${eventsBesideSums(usage, hours)}) beside
        cross join lateral (
          select state, ${isBilledElsewhere}, 1, quantity, counted_before, carried_from
          union all
          select 'delivered', false, -1, -quantity, 0, null where is_summed
        ) part
        where stripe_customer_id = ${customer}
        ${sql.join(ofCut, sql` `)}
      ) e
      group by 1, 2, 3
      having sum(e.events) > 0
    `.execute(trx),
  );
  return rows.rows;
}

/** Of gauges: all of their events in the period. */
async function addUpGauges(db: Db, { organizationId, customer, start, end }: UsagePeriod): Promise<Row[]> {
  const rows = await byIndex(db, (trx) =>
    sql<Row>`
      select
        meter, state, ${isBilledElsewhere} as "isElsewhere", count(*)::float8 as count,
        (array_agg(quantity order by event_at desc, id desc))[1]::text as quantity,
        sum(counted_before)::text as "countedBefore",
        coalesce(sum(quantity) filter (where carried_from is not null), 0)::text as "carriedIn",
        max(event_at) as "latestAt"
      from metering.meter_events
      where organization_id = ${organizationId} and stripe_customer_id = ${customer}
        and meter = any(${metersFoldedBy("last")}::text[])
        and hour > ${start}::timestamptz - interval '1 hour' and hour < ${end}
        and event_at >= ${start} and event_at < ${end}
      group by 1, 2, 3
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

async function readCarriedOut(
  db: Db,
  { organizationId, customer, start }: UsagePeriod,
): Promise<{ meter: MeterName; quantity: string }[]> {
  const carried = await sql<{ meter: MeterName; quantity: string }>`
    select meter, sum(quantity)::text as quantity
    from metering.meter_events
    where organization_id = ${organizationId} and carried_from = ${start} and replaces_id is null
      and stripe_customer_id = ${customer}
    group by meter
  `.execute(db);
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
