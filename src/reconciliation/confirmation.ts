import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import { isMeterName, meters } from "../usage/meters.ts";

/** An event of which Stripe's word is wanted. */
export type DeliveredEvent = {
  organizationId: string;
  meter: string;
  stripeCustomerId: string;
  eventAt: Date;
  deliveredAt: Date | null;
  state: string;
};

/** What the latest comparison says of a window that holds an event. */
export type Confirmation = {
  isConfirmed: boolean;
  start: Date;
  end: Date;
  ours: string;
  theirs: string;
  readAt: Date;
};

/**
 * The latest look at a window that holds a delivered event, and told something of it: undefined before the first. Where
 * several windows were looked at together the narrowest counts.
 */
export async function findConfirmation(db: Db, event: DeliveredEvent): Promise<Confirmation | undefined> {
  const { organizationId, meter, stripeCustomerId, eventAt, deliveredAt, state } = event;
  if (state !== "delivered" || deliveredAt === null) return undefined;
  const found = await sql<Confirmation>`
    select
      result = 'equal' as "isConfirmed", window_start as start, window_end as "end", ours::text as ours,
      theirs::text as theirs, read_at as "readAt"
    from metering.reconciliations
    where organization_id = ${organizationId} and meter = ${meter} and stripe_customer_id = ${stripeCustomerId}
      and window_end > ${eventAt}::timestamptz and window_start <= ${eventAt}::timestamptz
      and result <> 'settling' and read_at > ${deliveredAt}::timestamptz
    order by read_at desc, window_end - window_start
    limit 1
  `.execute(db);
  return found.rows[0];
}

/** `confirmed: Stripe's sum of 2026-11-20 08:00–09:00 was 2,310, ours 2,310, read at …`. Times are UTC. Pure. */
export function describeConfirmation(
  { isConfirmed, start, end, ours, theirs, readAt }: Confirmation,
  meter: string,
): string {
  const isGauge = isMeterName(meter) && meters[meter].aggregation === "last";
  return [
    `${isConfirmed ? "confirmed" : "not confirmed"}: Stripe's ${isGauge ? "value" : "sum"}`,
    `of ${describeWindow(start, end)} was ${withSeparators(theirs)}, ours ${withSeparators(ours)},`,
    `read at ${readAt.toISOString()}`,
  ].join(" ");
}

function describeWindow(start: Date, end: Date): string {
  const [fromDay, fromTime] = minutesOf(start);
  const [toDay, toTime] = minutesOf(end);
  return fromDay === toDay ? `${fromDay} ${fromTime}–${toTime}` : `${fromDay} ${fromTime}–${toDay} ${toTime}`;
}

function minutesOf(at: Date): [day: string, time: string] {
  const text = at.toISOString();
  return [text.slice(0, 10), text.slice(11, 16)];
}

/** A decimal string with separators, every digit as it is. Pure. */
export function withSeparators(digits: string): string {
  const [whole = "", fraction] = digits.split(".");
  const grouped = whole.replaceAll(/\B(?=(\d{3})+$)/g, ",");
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}
