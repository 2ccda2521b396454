import { sql } from "kysely";
import { type InShard, namesOrganizations } from "../../database/by-shard.ts";
import type { Db } from "../../database/db.ts";
import { byIndex } from "../../database/one-plan.ts";
import { onEachShardGroup } from "../../database/shard-groups.ts";
import type { Subject } from "../fold-window.ts";

/** A customer's usage of a meter with events in doubt, and the hours that have them. */
export type DoubtSubject = Subject & {
  hours: Date[];
  /** All of it only because Stripe reported failures without naming each. */
  isReported: boolean;
};

/** Hours looked at by one run, on each shard of a cluster; the others' turn comes with the next. */
const hoursMax = 10_000;

/** Events whose usage Stripe may have or not. Two reads, each by the partial index of its rows. */
export const doubtfulEvents = (inShard: InShard) => sql`(
  select organization_id, id, stripe_customer_id, meter, hour, event_at, state
  from metering.meter_events e
  where state = 'in_doubt' ${inShard("e")}
  union all
  select organization_id, id, stripe_customer_id, meter, hour, event_at, state
  from metering.meter_events e
  where reconcile_since is not null and state = 'delivered' ${inShard("e")}
)`;

/**
 * The customers and meters with events in doubt, in hours that have ended and were not looked at for `absenceSeconds`:
 * events that no error report counts first, then the ones that have waited longest.
 * `isCurrentHourToo`: while nothing is taken in and nothing sent. `faults`: why those of some organizations of a cluster are
 * left out.
 */
export async function listDoubt(
  db: Db,
  wanted: Wanted,
): Promise<{ subjects: DoubtSubject[]; faults: unknown[] }> {
  const { done, errors } = await onEachShardGroup(db, {}, (shard) =>
    listOnShard(db, wanted, namesOrganizations(shard)),
  );
  return { subjects: done.flat().toSorted(byImportance), faults: errors };
}

type Wanted = { absenceSeconds: number; isCurrentHourToo?: boolean };
type Listed = DoubtSubject & { lookedAt: Date | null };

function byImportance(one: Listed, other: Listed): number {
  return (
    Number(one.isReported) - Number(other.isReported) ||
    Number(one.lookedAt) - Number(other.lookedAt) ||
    Number(one.hours[0]) - Number(other.hours[0])
  );
}

async function listOnShard(
  db: Db,
  { absenceSeconds, isCurrentHourToo = false }: Wanted,
  inShard: InShard,
): Promise<Listed[]> {
  const found = await byIndex(db, (trx) =>
    sql<Listed>`
      with due as (
        select d.*, newest.at as looked_at
        from (
          select organization_id, stripe_customer_id, meter, hour, bool_and(state = 'delivered') as is_reported
          from ${doubtfulEvents(inShard)} doubtful
          where hour <= now() - make_interval(hours => ${isCurrentHourToo ? 0 : 1}::integer)
          group by organization_id, stripe_customer_id, meter, hour
        ) d
        cross join lateral (
          select max(r.read_at) as at
          from metering.reconciliations r
          where r.organization_id = d.organization_id and r.meter = d.meter
            and r.stripe_customer_id = d.stripe_customer_id
            ${inShard("r")}
            and r.window_end > d.hour and r.window_end <= d.hour + interval '1 hour' and r.window_start >= d.hour
        ) newest
        where newest.at is null or newest.at <= now() - make_interval(secs => ${absenceSeconds})
        order by d.is_reported, newest.at nulls first, d.hour
        limit ${hoursMax}
      )
      select
        organization_id as "organizationId", stripe_customer_id as customer, meter,
        array_agg(hour order by hour) as hours, bool_and(is_reported) as "isReported", min(looked_at) as "lookedAt"
      from due
      group by organization_id, stripe_customer_id, meter
    `.execute(trx),
  );
  return found.rows;
}
