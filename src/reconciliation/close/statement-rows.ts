import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import { listUnsealedHours } from "../../outbox/period-entries.ts";
import { type MeterName, meters } from "../../usage/meters.ts";
import { addQuantities, compareQuantities, subtractQuantity } from "../../usage/quantity.ts";
import { wholeMinutes } from "../windows.ts";
import type { BillingPeriod } from "./billing-periods.ts";

/**
 * `unsealed`: recorded, in no meter event yet. `pending`, `in_doubt`, `rejected`, `expired`: meter events in that state.
 * `late`: delivered after the invoice was final. `carried_forward`: a later period bills it. `carried_in`: of an earlier
 * period. `stripe_differs`: an hour whose sum at Stripe is not ours. `unexplained`: what all of these do not tell.
 * `others`: rows that are left out.
 */
export const rowKinds = [
  "unsealed",
  "pending",
  "in_doubt",
  "rejected",
  "expired",
  "late",
  "carried_forward",
  "carried_in",
  "stripe_differs",
  "unexplained",
  "others",
] as const;

/** One reason of a difference; `difference` is its share. */
export type StatementRow = {
  kind: (typeof rowKinds)[number];
  quantity: string;
  difference: string;
  hour: Date | null;
  meterEventId: string | null;
  /** Of usage that is carried: the period that it belongs to. */
  ofPeriod: Date | null;
};

type RowsInput = { meter: MeterName; difference: string; finalizedAt: Date | null };

const rowsMax = 1_000;

/** The rows that a meter's difference consists of, so that they add up to it. */
export async function listStatementRows(
  db: Db,
  period: BillingPeriod,
  input: RowsInput,
): Promise<StatementRow[]> {
  const rows = [
    ...(await listUnsealed(db, period, input.meter)),
    ...(await listEvents(db, period, input)),
    ...(await listHours(db, period, input.meter)),
  ];
  const isGauge = meters[input.meter].aggregation === "last";
  const told = isGauge ? rows.map((row) => ({ ...row, difference: "0" })) : rows;
  const kept = told.slice(0, rowsMax);
  const rest = subtractQuantity(input.difference, addQuantities(kept.map(({ difference }) => difference)));
  if (compareQuantities(rest, "0") === 0) return kept;
  const last = isGauge ? kept.at(-1) : undefined;
  // Of a gauge only the last value counts, so the last row has all of the difference.
  if (last !== undefined) return [...kept.slice(0, -1), { ...last, difference: rest }];
  const kind = told.length > rowsMax ? "others" : "unexplained";
  return [...kept, { ...nothing, kind, quantity: rest, difference: rest }];
}

const nothing = { hour: null, meterEventId: null, ofPeriod: null };

async function listUnsealed(db: Db, period: BillingPeriod, meter: MeterName): Promise<StatementRow[]> {
  const hours = await listUnsealedHours(db, period, { meter, limit: rowsMax });
  return hours.map(({ hour, quantity }) => ({
    ...nothing,
    kind: "unsealed",
    quantity,
    difference: quantity,
    hour,
  }));
}

type EventRow = Omit<StatementRow, "difference"> & { counts: number };

/** Meter events that are not simply delivered in time, by their time. `counts`: their sign in the difference. */
async function listEvents(
  db: Db,
  { organizationId, customer, start, end }: BillingPeriod,
  { meter, finalizedAt }: RowsInput,
): Promise<StatementRow[]> {
  const isInPeriod = sql`
    m.hour > ${start}::timestamptz - interval '1 hour' and m.hour < ${end}
    and m.event_at >= ${start} and m.event_at < ${end}
  `;
  const listed = await sql<EventRow>`
    select *
    from (
      select
        m.state as kind, m.quantity::text as quantity, m.hour, m.id as "meterEventId", m.carried_from as "ofPeriod",
        1 as counts, m.event_at as at
      from metering.meter_events m
      where m.organization_id = ${organizationId} and m.stripe_customer_id = ${customer} and m.meter = ${meter}
        and ${isInPeriod}
        and m.state in ('pending', 'in_doubt', 'rejected', 'expired')
      union all
      select 'late', m.quantity::text, m.hour, m.id, m.carried_from, 1, m.event_at
      from metering.meter_events m
      where m.organization_id = ${organizationId} and m.stripe_customer_id = ${customer} and m.meter = ${meter}
        and ${isInPeriod}
        and m.state = 'delivered' and m.delivered_at >= ${finalizedAt}
      union all
      select 'carried_in', m.quantity::text, m.hour, m.id, m.carried_from, 0, m.event_at
      from metering.meter_events m
      where m.organization_id = ${organizationId} and m.stripe_customer_id = ${customer} and m.meter = ${meter}
        and ${isInPeriod}
        and m.carried_from is not null and m.state <> 'superseded'
      union all
      select
        'carried_forward', m.quantity::text, m.hour, m.id, m.carried_from,
        case when m.replaces_id is null then -1 else 0 end, m.event_at
      from metering.meter_events m
      where m.organization_id = ${organizationId} and m.stripe_customer_id = ${customer} and m.meter = ${meter}
        and m.carried_from = ${start}
    ) rows
    order by at, "meterEventId"
    limit ${rowsMax + 1}
  `.execute(db);
  return listed.rows.map(({ kind, quantity, hour, meterEventId, ofPeriod, counts }) => ({
    kind,
    quantity,
    hour,
    meterEventId,
    ofPeriod,
    difference: counts === 0 ? "0" : counts > 0 ? quantity : subtractQuantity("0", quantity),
  }));
}

const hourMs = 3_600_000;

/** Hours, or parts of one, whose latest look found another sum at Stripe. */
async function listHours(db: Db, period: BillingPeriod, meter: MeterName): Promise<StatementRow[]> {
  const whole = wholeMinutes(period);
  const listed = await sql<{ hour: Date; ours: string; theirs: string }>`
    select hour, ours, theirs
    from (
      select distinct on (window_start, window_end)
        window_start as hour, ours::text as ours, theirs::text as theirs, result
      from metering.reconciliations
      where organization_id = ${period.organizationId} and meter = ${meter}
        and stripe_customer_id = ${period.customer}
        and window_end > ${whole.start} and window_end <= ${new Date(whole.end.getTime() + hourMs)}
        and window_start >= ${new Date(whole.start.getTime() - hourMs)} and window_start < ${whole.end}
        and window_end - window_start <= interval '1 hour'
      order by window_start, window_end, read_at desc
    ) latest
    where result = 'different'
    order by hour
    limit ${rowsMax}
  `.execute(db);
  return listed.rows.map(({ hour, ours, theirs }) => {
    const difference = subtractQuantity(ours, theirs);
    return { ...nothing, kind: "stripe_differs", quantity: theirs, difference, hour };
  });
}
