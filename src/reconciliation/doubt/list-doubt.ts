import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import { byIndex } from "../../database/one-plan.ts";
import type { Subject } from "../fold-window.ts";

/** A customer's usage of a meter with events in doubt, and the hours that have them. */
export type DoubtSubject = Subject & {
  hours: Date[];
  /** All of it only because Stripe reported failures without naming each. */
  isReported: boolean;
};

/** Hours looked at by one run; the others' turn comes with the next. */
const hoursMax = 10_000;

/** Events whose usage Stripe may have or not. Two reads, each by the partial index of its rows. */
export const doubtfulEvents = sql`(
  select organization_id, id, stripe_customer_id, meter, hour, event_at, state
  from metering.meter_events
  where state = 'in_doubt'
  union all
  select organization_id, id, stripe_customer_id, meter, hour, event_at, state
  from metering.meter_events
  where reconcile_since is not null and state = 'delivered'
)`;

/**
 * The customers and meters with events in doubt, in hours that have ended and were not looked at for `absenceSeconds`:
 * events that no error report counts first, then the ones that have waited longest.
 * `isCurrentHourToo`: while nothing is taken in and nothing sent.
 */
export async function listDoubt(
  db: Db,
  { absenceSeconds, isCurrentHourToo = false }: { absenceSeconds: number; isCurrentHourToo?: boolean },
): Promise<DoubtSubject[]> {
  const found = await byIndex(db, (trx) =>
    sql<DoubtSubject>`
      with due as (
        select d.*, newest.at as looked_at
        from (
          select organization_id, stripe_customer_id, meter, hour, bool_and(state = 'delivered') as is_reported
          from ${doubtfulEvents} doubtful
          where hour <= now() - make_interval(hours => ${isCurrentHourToo ? 0 : 1}::integer)
          group by organization_id, stripe_customer_id, meter, hour
        ) d
        cross join lateral (
          select max(r.read_at) as at
          from metering.reconciliations r
          where r.organization_id = d.organization_id and r.meter = d.meter
            and r.stripe_customer_id = d.stripe_customer_id
            and r.window_end > d.hour and r.window_end <= d.hour + interval '1 hour' and r.window_start >= d.hour
        ) newest
        where newest.at is null or newest.at <= now() - make_interval(secs => ${absenceSeconds})
        order by d.is_reported, newest.at nulls first, d.hour
        limit ${hoursMax}
      )
      select
        organization_id as "organizationId", stripe_customer_id as customer, meter,
        array_agg(hour order by hour) as hours, bool_and(is_reported) as "isReported"
      from due
      group by organization_id, stripe_customer_id, meter
      order by bool_and(is_reported), min(looked_at) nulls first, min(hour)
    `.execute(trx),
  );
  return found.rows;
}
