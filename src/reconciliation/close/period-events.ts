import { sql } from "kysely";
import { byIndex } from "../../database/one-plan.ts";
import type { Db } from "../../database/db.ts";
import type { MeterEventState } from "../../delivery/meter-event-states.ts";
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
  latestAt: Date;
};

/** Adds up a period's meter events by meter and state; of meters without events there is nothing. */
export async function readPeriodEvents(db: Db, period: BillingPeriod): Promise<PeriodEvents[]> {
  const { organizationId, customer, start, end } = period;
  const isLast = sql`m.meter = any(${metersFoldedBy("last")})`;
  const rows = await byIndex(db, (trx) =>
    sql<Row>`
      select
        m.meter, m.state, m.state = 'superseded' and m.reason = 'billed_elsewhere' as "isElsewhere",
        count(*)::float8 as count,
        (
          case
            when ${isLast} then (array_agg(m.quantity order by m.event_at desc, m.id desc))[1]
            else sum(m.quantity)
          end
        )::text as quantity,
        sum(m.counted_before)::text as "countedBefore",
        coalesce(sum(m.quantity) filter (where m.carried_from is not null), 0)::text as "carriedIn",
        max(m.event_at) as "latestAt"
      from metering.meter_events m
      where m.organization_id = ${organizationId} and m.stripe_customer_id = ${customer}
        and m.hour > ${start}::timestamptz - interval '1 hour' and m.hour < ${end}
        and m.event_at >= ${start} and m.event_at < ${end}
      group by 1, 2, 3
    `.execute(trx),
  );
  const carried = await readCarriedOut(db, period);
  const named = new Set([...rows.rows, ...carried].map(({ meter }) => meter));
  return [...named].map((meter) =>
    total(
      meter,
      rows.rows.filter((row) => row.meter === meter),
      carried.find((one) => one.meter === meter)?.quantity ?? "0",
    ),
  );
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
  const [latest] = rows.toSorted((a, b) => b.latestAt.getTime() - a.latestAt.getTime());
  return latest?.quantity ?? "0";
}

function add(quantities: readonly string[]): string {
  return String(quantities.reduce((sum, quantity) => sum + BigInt(quantity), 0n));
}

async function readCarriedOut(
  db: Db,
  { organizationId, customer, start }: BillingPeriod,
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
