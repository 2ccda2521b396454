import { type RawBuilder, sql } from "kysely";
import type { Db } from "../../database/db.ts";
import { byIndex } from "../../database/one-plan.ts";
import { type CustomerTime, timesAsRows, type UsagePeriods } from "../../outbox/paid-spans.ts";
import { listUnsealedHours } from "../../outbox/period-entries.ts";
import { isSealedUsage } from "../../outbox/sums.ts";
import { type MeterName, meterNames } from "../../usage/meters.ts";
import { subtractQuantity } from "../../usage/quantity.ts";
import { wholeMinutes } from "../windows.ts";
import { byPeriodAndMeter } from "./by-period-and-meter.ts";

/**
 * `unsealed`: recorded, in no meter event yet. `pending`, `in_doubt`, `rejected`, `expired`: meter events in that state.
 * `late`: delivered after the invoice was final. `carried_forward`: a later period bills it. `carried_in`: of an earlier
 * period. `stripe_differs`: an hour whose sum at Stripe is not ours. `no_invoice`: Stripe made no invoice for the period.
 * `other_organizations`: usage of others that the customer paid for, which its invoice bills, too. `trial`: used in a trial, and
 * free. `no_price`: no final invoice has a line of the meter. `void`: the invoices are void or were deleted. `unexplained`: what all
 * of these do not tell. `others`: rows that are left out.
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
  "other_organizations",
  "no_invoice",
  "trial",
  "no_price",
  "void",
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

/** A period whose rows are wanted, with when the last of its invoices was finalized. */
export type RowsPeriod = CustomerTime & { finalizedAt: Date | null };

/** The rows of several periods, by the number of the period, from 0, and by meter; unfinished. */
export type StatementRows = (place: number, meter: MeterName) => StatementRow[];

export const rowsMax = 1_000;

/** What the differences of periods may consist of, for each meter: the first 1,001 rows at most. */
export async function listStatementRows(
  db: Db,
  organizationId: string,
  times: readonly RowsPeriod[],
): Promise<StatementRows> {
  const rows = [
    ...(await listUnsealed(db, { organizationId, times })),
    ...(await listEvents(db, organizationId, times)),
    ...(await listHours(db, organizationId, times)),
  ];
  const rowsOf = byPeriodAndMeter(rows);
  return (place, meter) => rowsOf(place, meter).map(({ row }) => row);
}

/** Of a row that tells of no hour, meter event or other period. */
export const unplaced = { hour: null, meterEventId: null, ofPeriod: null };

/** A row with its period, from 1, and meter. */
type Numbered = { n: number; meter: MeterName; row: StatementRow };

async function listUnsealed(db: Db, periods: UsagePeriods): Promise<Numbered[]> {
  const hours = await listUnsealedHours(db, periods, { limit: rowsMax });
  return hours.map(({ n, meter, hour, quantity }) => ({
    n,
    meter,
    row: { ...unplaced, kind: "unsealed", quantity, difference: quantity, hour },
  }));
}

type EventRow = Omit<StatementRow, "difference"> & { n: number; meter: MeterName; counts: number };

/**
 * Meter events that are not simply delivered in time, by their time. `counts`: their sign in the difference. Undelivered
 * events are read once for all periods, each kind by the index that holds nothing else.
 */
async function listEvents(db: Db, organizationId: string, times: readonly RowsPeriod[]): Promise<Numbered[]> {
  const isInPeriod = sql`
    e.stripe_customer_id = p.customer and e.hour > p.starts_at - interval '1 hour' and e.hour < p.ends_at
    and e.event_at >= p.starts_at and e.event_at < p.ends_at
  `;
  const isOfMeter = sql`organization_id = ${organizationId} and meter = m.name`;
  const isStuck = sql`state in ('in_doubt', 'rejected', 'expired')`;
  const listed = await byIndex(db, (trx) =>
    sql<EventRow>`
      with periods as materialized (
        select p.*, f.finalized_at
        from ${timesAsRows(times)}
        join ${finalizationsOf(times)} on f.n = p.n
      ),
      meters as (select name from unnest(${meterNames}::text[]) name),
      carried as materialized (
        select * from metering.meter_events where organization_id = ${organizationId} and carried_from is not null
      ),
      open as materialized (
        select e.*
        from meters m
        cross join lateral (
          select * from metering.meter_events
          where ${isOfMeter} and hour > (select min(starts_at) from periods) - interval '1 hour'
            and hour < (select max(ends_at) from periods)
            and state in ('in_doubt', 'rejected', 'expired', 'superseded') and ${isStuck} and ${isSealedUsage}
          union all
          select * from metering.meter_events where ${isOfMeter} and state = 'pending'
          union all
          select * from metering.meter_events where ${isOfMeter} and replaces_id is not null and ${isStuck}
        ) e
        union all
        select * from carried where replaces_id is null and ${isStuck}
      ),
      rows as (
        select
          p.n, e.meter, e.state as kind, e.quantity, e.hour, e.id, e.carried_from, 1 as counts, e.event_at as at
        from periods p
        join open e on ${isInPeriod}
        union all
        select p.n, e.meter, 'late', e.quantity, e.hour, e.id, e.carried_from, 1, e.event_at
        from periods p
        cross join meters m
        cross join lateral (${deliveredSince(isOfMeter)}) e
        where p.finalized_at is not null and ${isInPeriod}
        union all
        select p.n, e.meter, 'carried_in', e.quantity, e.hour, e.id, e.carried_from, 0, e.event_at
        from periods p
        join carried e on e.state <> 'superseded' and ${isInPeriod}
        union all
        select p.n, e.meter, 'carried_forward', e.quantity, e.hour, e.id, e.carried_from,
          case when e.replaces_id is null then -1 else 0 end, e.event_at
        from periods p
        join carried e on e.carried_from = p.starts_at and e.stripe_customer_id = p.customer
      )
      select n::int as n, meter, kind, quantity::text as quantity, hour, id as "meterEventId", carried_from as "ofPeriod", counts
      from (select *, row_number() over (partition by n, meter order by at, id, counts desc, kind) as place from rows) numbered
      where place <= ${rowsMax + 1}
      order by n, meter, place
    `.execute(trx),
  );
  return listed.rows.map(({ n, meter, counts, ...row }) => ({
    n,
    meter,
    row: {
      ...row,
      difference: counts === 0 ? "0" : counts > 0 ? row.quantity : subtractQuantity("0", row.quantity),
    },
  }));
}

/** When each period's last invoice was finalized, as rows `f (finalized_at, n)`. */
function finalizationsOf(times: readonly RowsPeriod[]): RawBuilder<unknown> {
  const finalizations = times.map(({ finalizedAt }) => finalizedAt?.toISOString() ?? null);
  return sql`unnest(${finalizations}::timestamptz[]) with ordinality f (finalized_at, n)`;
}

/**
 * The events of a period `p` that Stripe got since its invoices were final. What was delivered more than a day after the
 * beginning of its hour has an index of its own; the other hours are few, as invoices are not final before the period's end.
 */
function deliveredSince(isOfMeter: RawBuilder<unknown>): RawBuilder<unknown> {
  const isSince = sql`state = 'delivered' and delivered_at >= p.finalized_at`;
  return sql`
    select *
    from metering.meter_events
    where ${isOfMeter} and delivered_at - hour > interval '1 day' and hour > p.starts_at - interval '1 hour'
      and hour < least(p.ends_at, p.finalized_at - interval '1 day') and ${isSince}
    union all
    select *
    from metering.meter_events
    where ${isOfMeter} and hour >= greatest(p.starts_at - interval '1 hour', p.finalized_at - interval '1 day')
      and hour < p.ends_at and ${isSince}
  `;
}

/**
 * Hours, or parts of one, whose latest look found another sum at Stripe. One that the period as a whole was found equal
 * since, which is not looked at again, is told no more, unless an invoice was final before that: it lacks what Stripe
 * counted later. What was delivered since the look is a row of its own then. A part of an hour that is told is not told
 * beside it: an operator's look ends inside the running hour.
 */
async function listHours(db: Db, organizationId: string, times: readonly RowsPeriod[]): Promise<Numbered[]> {
  const wholes = times.map((time) => ({ ...time, ...wholeMinutes(time) }));
  const listed = await byIndex(db, (trx) =>
    sql<{ n: number; meter: MeterName; hour: Date; ours: string; theirs: string }>`
      select n::int as n, meter, hour, ours, theirs
      from (
        select *, row_number() over (partition by n, meter order by hour, ends_at) as place
        from (
          select
            p.n, m.name as meter, l.*,
            max(l.ends_at) over (
              partition by p.n, m.name order by l.hour, l.ends_at desc rows between unbounded preceding and 1 preceding
            ) as told_to
          from ${timesAsRows(wholes)}
          join ${finalizationsOf(times)} on f.n = p.n
          cross join unnest(${meterNames}::text[]) m (name)
          cross join lateral (
            select distinct on (window_start, window_end)
              window_start as hour, window_end as ends_at, ours::text as ours, theirs::text as theirs, result, read_at
            from metering.reconciliations
            where organization_id = ${organizationId} and meter = m.name and stripe_customer_id = p.customer
              and window_end > p.starts_at and window_end <= p.ends_at + interval '1 hour'
              and window_start >= p.starts_at - interval '1 hour' and window_start < p.ends_at
              and window_end <= date_trunc('hour', window_start, 'UTC') + interval '1 hour'
            order by window_start, window_end, read_at desc
          ) l
          where l.result = 'different' and not exists (
            select from metering.reconciliations w
            where w.organization_id = ${organizationId} and w.meter = m.name and w.stripe_customer_id = p.customer
              and w.window_start = p.starts_at and w.window_end between least(l.ends_at, p.ends_at) and p.ends_at
              and w.result = 'equal' and w.read_at > l.read_at
              and (
                coalesce(f.finalized_at > w.read_at, true)
                or exists (
                  select from metering.meter_events e
                  where e.organization_id = ${organizationId} and e.meter = m.name
                    and e.hour > l.hour - interval '1 hour' and e.hour < l.ends_at
                    and e.event_at >= l.hour and e.event_at < l.ends_at and e.stripe_customer_id = p.customer
                    and e.state = 'delivered' and e.delivered_at > l.read_at
                )
              )
          )
        ) off
        where told_to is null or told_to < ends_at
      ) look
      where place <= ${rowsMax}
      order by n, meter, hour
    `.execute(trx),
  );
  return listed.rows.map(({ n, meter, hour, ours, theirs }) => {
    const difference = subtractQuantity(ours, theirs);
    return { n, meter, row: { ...unplaced, kind: "stripe_differs", quantity: theirs, difference, hour } };
  });
}
