import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import { inIndexOrder } from "../../database/one-plan.ts";
import { timesAsRows, type UsagePeriods } from "../../outbox/paid-spans.ts";
import { type MeterName, meterNames, meters, metersFoldedBy } from "../../usage/meters.ts";
import { subtractQuantity } from "../../usage/quantity.ts";
import type { Result } from "../judge-window.ts";
import { wholeMinutes } from "../windows.ts";
import { byPeriodAndMeter } from "./by-period-and-meter.ts";

/** The last comparison of a period with Stripe's sum. */
export type PeriodLook = {
  result: Result;
  readAt: Date;
  /** Up to when: the end of the period, or an hour of one that runs. */
  until: Date;
  /** Stripe's sum of the period's own time. */
  stripe: string;
  /** What of ours Stripe's sum did not have; below zero: it had more. */
  lacking: string;
};

type Row = {
  n: number;
  meter: MeterName;
  result: Result;
  readAt: Date;
  until: Date;
  ours: string;
  theirs: string;
  edges: string;
  own: string;
};

/** The looks at several periods, by the number of the period, from 0, and by meter. */
export type PeriodLooks = (place: number, meter: MeterName) => PeriodLook | null;

/**
 * The latest look at each whole period, or, while it runs, at what has settled of it. Stripe sums up whole minutes: our events
 * in the parts of the first and the last minute that belong to the neighbouring periods are taken off, as far as they were
 * delivered when Stripe's sum was read. In a transaction, what comes after it is planned without sorts.
 */
export async function readPeriodLooks(db: Db, { organizationId, times }: UsagePeriods): Promise<PeriodLooks> {
  const wholes = times.map(wholeMinutes);
  const isItsOwn = sql`
    organization_id = ${organizationId} and stripe_customer_id = l.customer and meter = l.meter and state = 'delivered'
      and delivered_at <= l.read_at and event_at >= l.starts_at and event_at < least(l.ends_at, l.window_end)
  `;
  const found = await inIndexOrder(db, (trx) =>
    sql<Row>`
      with looks as materialized (
        select p.*, w.starts_at as whole_starts_at, m.name as meter, m.is_gauge, l.*
        from ${timesAsRows(times)}
        join unnest(
          ${wholes.map(({ start }) => start.toISOString())}::timestamptz[],
          ${wholes.map(({ end }) => end.toISOString())}::timestamptz[]
        ) with ordinality w (starts_at, ends_at, n) on w.n = p.n
        cross join (
          select name, name = any(${metersFoldedBy("last")}::text[]) as is_gauge
          from unnest(${meterNames}::text[]) name
        ) m
        cross join lateral (
          select result, read_at, window_end, ours, theirs
          from metering.reconciliations
          where organization_id = ${organizationId} and meter = m.name and stripe_customer_id = p.customer
            and window_start = w.starts_at and window_end > w.starts_at and window_end <= w.ends_at
          order by window_end desc, read_at desc
          limit 1
        ) l
      )
      select
        l.n::int as n, l.meter, l.result, l.read_at as "readAt", l.window_end as until, l.ours::text as ours,
        l.theirs::text as theirs,
        coalesce((
          select sum(e.quantity)::text
          from (
            values (l.whole_starts_at, l.starts_at), (l.ends_at, l.window_end)
          ) edge (starts_at, ends_at)
          cross join lateral (
            select quantity
            from metering.meter_events
            where organization_id = ${organizationId} and stripe_customer_id = l.customer and meter = l.meter
              and hour = date_trunc('hour', edge.starts_at, 'UTC')
              and event_at >= edge.starts_at and event_at < edge.ends_at and state = 'delivered'
              and delivered_at <= l.read_at
          ) e
          where edge.starts_at < edge.ends_at and not l.is_gauge
        ), '0') as edges,
        coalesce((
          select quantity::text
          from metering.meter_events
          where ${isItsOwn} and hour = (
            select hour
            from metering.meter_events
            where l.is_gauge and ${isItsOwn} and hour >= date_trunc('hour', l.starts_at, 'UTC') and hour < l.ends_at
            order by hour desc
            limit 1
          )
          order by event_at desc, id desc
          limit 1
        ), '0') as own
      from looks l
    `.execute(trx),
  );
  const rowsOf = byPeriodAndMeter(found.rows);
  return (place, meter) => {
    const [row] = rowsOf(place, meter);
    return row === undefined ? null : lookOf(row);
  };
}

function lookOf({ meter, result, readAt, until, ours, theirs, edges, own }: Row): PeriodLook {
  const lacking = result === "equal" ? "0" : subtractQuantity(ours, theirs);
  return { result, readAt, until, lacking, stripe: stripeOf(meter, { result, theirs, edges, own }) };
}

/** Of a gauge, the neighbour's value hides ours, where it lies in the last minute: equal sums tell that ours is there. */
function stripeOf(
  meter: MeterName,
  { result, theirs, edges, own }: Pick<Row, "result" | "theirs" | "edges" | "own">,
): string {
  if (meters[meter].aggregation === "sum") return subtractQuantity(theirs, edges);
  return result === "equal" ? own : theirs;
}
