import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import { type MeterName, meters } from "../../usage/meters.ts";
import { subtractQuantity } from "../../usage/quantity.ts";
import type { Result } from "../judge-window.ts";
import { wholeMinutes } from "../windows.ts";
import type { BillingPeriod } from "./billing-periods.ts";

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
  result: Result;
  readAt: Date;
  until: Date;
  ours: string;
  theirs: string;
  edges: string;
  own: string;
};

/**
 * The latest look at a whole period, or, while it runs, at what has settled of it. Stripe sums up whole minutes: our events
 * in the parts of the first and the last minute that belong to the neighbouring periods are taken off.
 */
export async function readPeriodLook(
  db: Db,
  period: BillingPeriod,
  meter: MeterName,
): Promise<PeriodLook | null> {
  const { organizationId, customer, start, end } = period;
  const whole = wholeMinutes(period);
  const found = await sql<Row>`
    with look as (
      select result, read_at, window_end, ours, theirs
      from metering.reconciliations
      where organization_id = ${organizationId} and meter = ${meter} and stripe_customer_id = ${customer}
        and window_start = ${whole.start} and window_end <= ${whole.end}
      order by window_end desc, read_at desc
      limit 1
    )
    select
      l.result, l.read_at as "readAt", l.window_end as until, l.ours::text as ours, l.theirs::text as theirs,
      (
        select coalesce(sum(m.quantity), 0)::text
        from metering.meter_events m
        where m.organization_id = ${organizationId} and m.stripe_customer_id = ${customer} and m.meter = ${meter}
          and m.state = 'delivered'
          and (
            m.hour = date_trunc('hour', ${whole.start}::timestamptz, 'UTC')
              and m.event_at >= ${whole.start} and m.event_at < ${start}
            or m.hour = date_trunc('hour', ${end}::timestamptz, 'UTC')
              and m.event_at >= ${end} and m.event_at < l.window_end
          )
      ) as edges,
      coalesce((
        select m.quantity::text
        from metering.meter_events m
        where m.organization_id = ${organizationId} and m.stripe_customer_id = ${customer} and m.meter = ${meter}
          and m.state = 'delivered' and m.hour >= date_trunc('hour', ${start}::timestamptz, 'UTC') and m.hour < ${end}
          and m.event_at >= ${start} and m.event_at < least(${end}::timestamptz, l.window_end)
        order by m.event_at desc, m.id desc
        limit 1
      ), '0') as own
    from look l
  `.execute(db);
  const [row] = found.rows;
  if (row === undefined) return null;
  const { result, readAt, until, ours, theirs, edges, own } = row;
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
