import { sql } from "kysely";
import type { PgBoss } from "pg-boss";
import { byIndex, isOfKey, joinByIndex } from "../database/one-plan.ts";
import { namesOrganizations, type ShardInput } from "../database/by-shard.ts";
import { onEachShardGroup } from "../database/shard-groups.ts";
import type { Db, Trx } from "../database/db.ts";
import type { Reminder } from "../queue/deliver-job.ts";
import { hasNoAttemptUnderWay } from "./attempt-under-way.ts";
import { type MeterName, meterNames } from "../usage/meters.ts";
import { remindUnshipped } from "./remind-unshipped.ts";
import { supersedeGauges } from "./supersede-gauges.ts";
import { eventAgeMsMax, identifierSafeMs, unfinishedAttemptsMax } from "./limits.ts";

export type Swept = {
  in_doubt: number;
  expired: number;
  rejected: number;
  superseded: number;
  reminded: number;
};

const nothingSwept: Swept = { in_doubt: 0, expired: 0, rejected: 0, superseded: 0, reminded: 0 };

/** Reminders of a meter re-created in one sweep: those of a meter that is paused must not use up those of the other. */
const remindersMax = 10_000;

/**
 * Moves on pending events that may not be sent any more, and reminds of all others, each by its own state alone:
 * of pg-boss's rows only the shipments are asked for that remind of some already. Safe from several workers at once.
 */
export async function sweepMeterEvents(
  { db, boss }: { db: Db; boss: PgBoss },
  options: { leaseSeconds: number; sealedSecondsMin?: number },
): Promise<Swept> {
  const swept = { ...nothingSwept };
  const { errors } = await onEachShardGroup(db, {}, async (shard) => {
    for (const { state } of await parkUnsendable(db, { ...options, shard })) swept[state] += 1;
    swept.superseded += await supersedeGauges(db, { ...options, shard });
    for (const meter of meterNames) {
      swept.reminded += await remindOfPending({ db, boss }, { ...options, shard, meter });
    }
  });
  if (errors.length > 0) throw errors[0];
  return swept;
}

type Parked = { state: "in_doubt" | "expired" | "rejected" };
type OfShard = { shard: ShardInput };

// Only events without an attempt under way: its outcome, which may be better news, comes first.
function parkUnsendable(db: Db, options: OfShard & { leaseSeconds: number }): Promise<Parked[]> {
  return db.transaction().execute(async (trx) => {
    await joinByIndex(trx);
    return park(trx, options);
  });
}

async function park(trx: Trx, options: OfShard & { leaseSeconds: number }): Promise<Parked[]> {
  const inShard = namesOrganizations(options.shard);
  const parked = await sql<Parked>`
    with next as materialized (
      select
        organization_id, id, attempts_started, state as was,
        case
          when attempts_started - attempts_finished >= ${unfinishedAttemptsMax} then 'rejected'
          when first_unknown_at <= now() - make_interval(secs => ${identifierSafeMs / 1_000}) then 'in_doubt'
          when event_at <= now() - make_interval(secs => ${eventAgeMsMax / 1_000}) then
            case when first_unknown_at is null then 'expired' else 'in_doubt' end
        end as state,
        case
          when attempts_started - attempts_finished >= ${unfinishedAttemptsMax} then 'crashes_worker'
          when first_unknown_at <= now() - make_interval(secs => ${identifierSafeMs / 1_000}) then 'identifier_too_old'
          else 'usage_too_old'
        end as reason
      from metering.meter_events m
      where state = 'pending' and ${hasNoAttemptUnderWay(options)} ${inShard("m")}
    )
    update metering.meter_events m
    set state = next.state, reason = next.reason
    from next
    where next.state is not null
      and ${isOfKey("m", "next")}
      -- As a value, so that nothing offers the index of all that is pending, which would be read for each.
      and m.state = next.was and m.attempts_started = next.attempts_started ${inShard("m")}
    returning m.state
  `.execute(trx);
  return parked.rows;
}

/** Younger events have the job that the seal made with them, unless it was made while nothing was sent. */
const sealedSecondsUsual = 60;

async function remindOfPending(
  { db, boss }: { db: Db; boss: PgBoss },
  {
    shard,
    meter,
    sealedSecondsMin = sealedSecondsUsual,
  }: OfShard & { meter: MeterName; sealedSecondsMin?: number },
): Promise<number> {
  const pending = await byIndex(db, (trx) =>
    sql<Reminder>`
    select
      organization_id as "organizationId", id as "meterEventId", meter, stripe_customer_id as "stripeCustomerId",
      shipment_id as "shipmentId", (row_number() over (partition by organization_id order by id) - 1)::int as ahead
    from metering.meter_events m
    where state = 'pending' and meter = ${meter}
      and sealed_at <= now() - make_interval(secs => ${sealedSecondsMin}) ${namesOrganizations(shard)("m")}
    order by ahead, id
    limit ${remindersMax}
  `.execute(trx),
  );
  return remindUnshipped({ db, boss }, pending.rows);
}
