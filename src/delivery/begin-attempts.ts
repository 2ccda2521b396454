import { type RawBuilder, sql } from "kysely";
import { keptPlan } from "../database/keep-plans.ts";
import { isOfKey, onKeys } from "../database/one-plan.ts";
import { namesOrganizations } from "../database/by-shard.ts";
import type { Db } from "../database/db.ts";
import type { MeterEventKey } from "../usage/meter-event-key.ts";
import type { MeterName } from "../usage/meters.ts";
import { hasNoAttemptUnderWay } from "./attempt-under-way.ts";
import { withPendingKeys } from "./pending-keys.ts";
import { isOvertaken } from "./supersede-gauges.ts";
import { eventAgeMsMax, identifierSafeMs, unfinishedAttemptsMax } from "./limits.ts";

/** An attempt that is counted in the database and may now be made. */
export type Attempt = MeterEventKey & {
  meter: MeterName;
  quantity: string;
  eventAt: Date;
  stripeCustomerId: string;
  /** From 1. */
  attempt: number;
  /** When the first attempt with an unknown outcome began; this attempt's own start if there was none before. */
  firstUnknownAt: Date;
};

export type BeginOptions = {
  leaseSeconds: number;
  /** Usage after this time would be refused as of the future; absent while Stripe's time is not known. */
  sendableUntil?: Date | undefined;
  /** On a cluster: the events are of one shard, which is told so. */
  isOneShard?: boolean;
  /** Events with so many attempts that never ended are left out; without it, only events that have killed three workers. */
  unfinishedMax?: number;
};

/**
 * Counts one more attempt at each event, in a commit of its own before any request: if the request kills the process,
 * the count stays. Returns the attempts that may be made. An event is left out when it is not pending, when another
 * attempt's lease runs, when it is too old or too far ahead for Stripe, when Stripe may have forgotten its identifier,
 * or when it keeps killing workers; the sweep settles those events.
 */
export function beginAttempts(
  db: Db,
  keys: readonly MeterEventKey[],
  options: BeginOptions,
): Promise<Attempt[]> {
  return onKeys(db, (one) => countAttempts(one, keys, options));
}

async function countAttempts(
  db: Db,
  keys: readonly MeterEventKey[],
  options: BeginOptions,
): Promise<Attempt[]> {
  const inShard = namesOrganizations({ organizations: keys, isOneShard: options.isOneShard });
  const begun = await sql<Attempt>`
    ${keptPlan(options)}
    ${withPendingKeys(keys)}
    update metering.meter_events m
    set
      attempts_started = m.attempts_started + 1,
      first_attempt_at = coalesce(m.first_attempt_at, k.at),
      last_attempt_at = k.at,
      first_unknown_at = coalesce(m.first_unknown_at, k.at)
    from k
    where ${isOfKey("m", "k")}
      and m.attempts_started - m.attempts_finished < ${options.unfinishedMax ?? unfinishedAttemptsMax}
      and ${maySend(options, inShard)} ${inShard("m")}
    returning
      m.organization_id as "organizationId",
      m.id as "meterEventId",
      m.meter,
      m.quantity,
      m.event_at as "eventAt",
      m.stripe_customer_id as "stripeCustomerId",
      m.attempts_started as attempt,
      m.first_unknown_at as "firstUnknownAt"
  `.execute(db);
  return begun.rows;
}

/** Of the meter event `m` of the key `k`, apart from how many attempts at it never ended. */
export const maySend = (
  options: BeginOptions,
  inShard: (table: string) => RawBuilder<boolean>,
) => sql<boolean>`(
  m.state = k.state
  and ${hasNoAttemptUnderWay(options)}
  and m.event_at <= ${options.sendableUntil ?? "infinity"}::timestamptz
  and m.event_at > now() - make_interval(secs => ${eventAgeMsMax / 1_000})
  and (
    m.first_unknown_at is null
    or m.first_unknown_at > now() - make_interval(secs => ${identifierSafeMs / 1_000})
  )
  and not ${isOvertaken(inShard)}
)`;
