import { type RawBuilder, sql } from "kysely";
import { namesOrganizations, type ShardInput } from "../database/by-shard.ts";
import { isOfKey, onKeys } from "../database/one-plan.ts";
import type { Db } from "../database/db.ts";
import type { MeterEventKey } from "../usage/meter-event-key.ts";
import { metersFoldedBy } from "../usage/meters.ts";
import { hasNoAttemptUnderWay } from "./attempt-under-way.ts";
import { withPendingKeys } from "./pending-keys.ts";

/** Whether the meter event `m` is a gauge value that a newer one has overtaken. */
export const isOvertaken = (inShard: (table: string) => RawBuilder<boolean>) => sql<boolean>`(
  m.meter = any(${metersFoldedBy("last")})
  and exists (
        select
        from metering.meter_events newer
        left join metering.subscriptions s on s.organization_id = newer.organization_id ${inShard("s")}
        where newer.organization_id = m.organization_id and newer.meter = m.meter ${inShard("newer")}
          -- Where an hour was cut between two entries of one moment, the event that was sealed last has the latest.
          and newer.hour >= m.hour and (newer.event_at, newer.id) > (m.event_at, m.id)
          and newer.state in ('pending', 'delivered')
          and newer.stripe_customer_id = m.stripe_customer_id
          -- The last value of a period is still wanted when the next period has begun.
          and not coalesce(m.event_at < s.current_period_start and newer.event_at >= s.current_period_start, false)
          and not coalesce(m.event_at < s.current_period_end and newer.event_at >= s.current_period_end, false)
          -- So it is where another subscription of the customer may bill the gauge.
          and not exists (
            select from unnest(s.other_bounds) bound where bound > m.event_at and bound <= newer.event_at
          )
          -- So are those of periods that are over.
          and not exists (
            select from metering.billing_periods p
            where p.organization_id = m.organization_id ${inShard("p")}
              -- "is true", so that its customer does not offer another index.
              and (p.stripe_customer_id = m.stripe_customer_id) is true
              and (
                p.period_start > m.event_at and p.period_start <= newer.event_at
                or p.period_end > m.event_at and p.period_end <= newer.event_at
              )
          )
        -- Asked for each value by itself: as a join, a planner that takes the table for empty compares all events with each.
        offset 0
      )
)`;

/**
 * Supersedes every pending gauge value that a newer one of the same organization, meter and billing period has
 * overtaken. Stripe keeps the last value of a period, by time or by arrival (its pages say both), so sending the older
 * one late could only do harm. A value under way is left until its attempt ends. Returns how many were superseded.
 */
export function supersedeGauges(
  db: Db,
  options: { leaseSeconds: number; shard?: ShardInput | undefined },
): Promise<number> {
  const inShard = namesOrganizations(options.shard);
  return onKeys(db, async (one) => {
    const superseded = await sql`
    update metering.meter_events m
    set state = 'superseded', reason = 'newer_value'
    where m.state = 'pending'
      and ${hasNoAttemptUnderWay(options)}
      and ${isOvertaken(inShard)} ${inShard("m")}
    returning m.id
  `.execute(one);
    return superseded.rows.length;
  });
}

/**
 * Supersedes overtaken gauge values of these events alone, however many others are pending. It leaves a value whose worker died
 * to the sweep. The caller runs it inside `onKeys`. Returns the ids of the events that it superseded.
 */
export async function supersedeGaugesAmong(
  db: Db,
  keys: readonly MeterEventKey[],
  { isOneShard }: { isOneShard?: boolean | undefined },
): Promise<Set<string>> {
  const inShard = namesOrganizations({ organizations: keys, isOneShard });
  const superseded = await sql<{ id: string }>`
    ${withPendingKeys(keys)}
    update metering.meter_events m
    set state = 'superseded', reason = 'newer_value'
    from k
    where ${isOfKey("m", "k")}
      and m.state = k.state
      and m.attempts_started = m.attempts_finished
      -- "is true", so that its meter does not offer an index, by which all events of the meter would be read.
      and ${isOvertaken(inShard)} is true ${inShard("m")}
    returning m.id
  `.execute(db);
  return new Set(superseded.rows.map(({ id }) => id));
}
