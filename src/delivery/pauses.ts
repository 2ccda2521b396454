import { sql } from "kysely";
import { namesOrganizations, type ShardInput } from "../database/by-shard.ts";
import { isDatabaseUnavailable } from "../database/database-unavailable.ts";
import type { Db, Trx } from "../database/db.ts";
import { byIndex } from "../database/one-plan.ts";
import { inTransaction } from "../database/in-transaction.ts";
import { onEachShardGroup } from "../database/shard-groups.ts";
import type { MeterName } from "../usage/meters.ts";

/** A scope that can be paused: the whole account, or one meter by its name. */
export type Scope = string;
export const account: Scope = "account";

/**
 * A pause in force. `until` is when a worker may probe; null while only an operator ends it. All times are the database's:
 * `readAt` is its now.
 */
export type Pause = { scope: Scope; reason: string; until: Date | null; pausedAt: Date; readAt: Date };

/** The pauses in force, the account's first. */
export async function readPauses(db: Db): Promise<Pause[]> {
  const pauses = await sql<Pause>`
    select scope, reason, paused_at as "pausedAt", nullif(paused_until, 'infinity') as until, now() as "readAt"
    from metering.delivery_control
    where paused_until is not null
    order by scope <> ${account}, scope
  `.execute(db);
  return pauses.rows;
}

/** Pauses all sending, or that of one meter, until an operator resumes it. */
export async function pauseDelivery(db: Db, reason: string, scope: Scope = account): Promise<void> {
  await sql`
    update metering.delivery_control
    set paused_until = 'infinity', reason = ${reason}, paused_at = now()
    where scope = ${scope}
  `.execute(db);
}

/** What a pause leaves when it ends. */
const unpaused = sql`paused_until = null, reason = null, paused_at = null, openings = 0`;

/**
 * Ends every pause, of the account and of all meters, or that of one scope, no matter who made it; what waits is
 * attempted now. Returns how many pauses it ended.
 */
export async function resumeDelivery(db: Db, scope?: Scope): Promise<number> {
  return inTransaction(db, async (trx) => {
    const { rows } = await sql<{ was_paused: boolean }>`
      update metering.delivery_control as c
      set ${unpaused}
      from metering.delivery_control before
      where before.scope = c.scope and (${scope ?? null}::text is null or c.scope = ${scope ?? null})
      returning before.paused_until is not null as was_paused
    `.execute(trx);
    const isOneMeter = scope !== undefined && scope !== account;
    const due = isOneMeter
      ? sql`array(select id from metering.meter_events where state = 'pending' and meter = ${scope})`
      : sql`null`;
    await sql`select metering.make_deliveries_due(${due})`.execute(trx);
    return rows.filter((row) => row.was_paused).length;
  });
}

/** Ends the account's pause if it was made for this reason. One that an operator has made since stays. */
export async function endPauseFor(db: Db, reason: string): Promise<void> {
  await sql`
    update metering.delivery_control
    set ${unpaused}
    where scope = ${account} and paused_until = 'infinity' and reason = ${reason}
  `.execute(db);
}

export type BreakerPause = { scope: Scope; reason: string; firstMs: number; maxMs: number };

/**
 * Lets the circuit breaker pause a scope, twice as long each time in a row. `isProbe`: the one attempt that a running
 * pause allows has failed; any other failure changes nothing while a pause runs. An operator's pause stays as it is.
 * Returns whether this call paused.
 */
export async function trip(
  db: Db,
  { scope, reason, firstMs, maxMs }: BreakerPause,
  { isProbe }: { isProbe: boolean },
): Promise<boolean> {
  const tripped = await sql`
    insert into metering.delivery_control as c (scope, paused_until, reason, paused_at, openings)
    values (${scope}, now() + make_interval(secs => ${firstMs / 1_000}), ${reason}, now(), 1)
    on conflict (scope) do update
    set
      paused_until = now() + make_interval(secs => least(${firstMs / 1_000} * 2 ^ least(c.openings, 20), ${maxMs / 1_000})),
      reason = excluded.reason,
      paused_at = coalesce(c.paused_at, now()),
      openings = c.openings + 1
    where c.paused_until is null or (${isProbe} and c.paused_until < 'infinity')
    returning scope
  `.execute(db);
  return tripped.rows.length > 0;
}

/**
 * Takes the one attempt that a pause allows once its time is over. One worker gets it; the others wait until
 * `leaseSeconds` have passed.
 */
export async function claimProbe(
  db: Db,
  scope: Scope,
  { leaseSeconds }: { leaseSeconds: number },
): Promise<boolean> {
  const claimed = await sql`
    update metering.delivery_control
    set paused_until = now() + make_interval(secs => ${leaseSeconds})
    where scope = ${scope} and paused_until <= now()
    returning scope
  `.execute(db);
  return claimed.rows.length > 0;
}

/** Lets the attempt that a pause allows be taken again at once, because it was not made. */
export async function giveBackProbe(db: Db, scope: Scope): Promise<void> {
  await sql`
    update metering.delivery_control
    set paused_until = now()
    where scope = ${scope} and paused_until > now() and paused_until < 'infinity'
  `.execute(db);
}

/** Of meter events: they wait to be delivered, and the scope concerns them. */
export const waitsIn = (scope: Scope) =>
  sql<boolean>`state = 'pending' and (${scope} = ${account} or meter = ${scope})`;

type Waiting = { hasUnfailed: boolean; organizationsFailed: number };
const noneKnown: Waiting = { hasUnfailed: false, organizationsFailed: 0 };

/**
 * Which meter events of the scope wait to be delivered: whether there is one that never failed, and how many organizations
 * have one that did. None is known to wait on nodes of a cluster that are away.
 */
export async function readWaiting(db: Db, scope: Scope): Promise<Waiting> {
  try {
    const { done } = await onEachShardGroup(db, {}, (shard) => readWaitingOnShard(db, scope, shard));
    return done.flat().reduce(
      (all, { hasUnfailed, organizationsFailed }) => ({
        hasUnfailed: all.hasUnfailed || hasUnfailed,
        organizationsFailed: all.organizationsFailed + organizationsFailed,
      }),
      noneKnown,
    );
  } catch (error) {
    if (isDatabaseUnavailable(error)) return noneKnown;
    throw error;
  }
}

async function readWaitingOnShard(db: Db, scope: Scope, shard: ShardInput): Promise<Waiting[]> {
  const { rows } = await byIndex(db, (one) =>
    sql<Waiting>`
      select
        count(*) filter (where first_unknown_at is null) > 0 as "hasUnfailed",
        count(distinct organization_id) filter (where first_unknown_at is not null)::int as "organizationsFailed"
      from metering.meter_events m
      where ${waitsIn(scope)} ${namesOrganizations(shard)("m")}
    `.execute(one),
  );
  return rows;
}

/**
 * Ends the circuit breaker's pause of a scope, because its probe succeeded. An operator's pause stays. Returns whether
 * there was a pause to end.
 */
export async function endPause(db: Db, scope: Scope): Promise<boolean> {
  const ended = await sql`
    update metering.delivery_control
    set ${unpaused}
    where scope = ${scope} and paused_until < 'infinity'
    returning scope
  `.execute(db);
  return ended.rows.length > 0;
}

/** How long until a worker asks Stripe again about a meter that Stripe said was deactivated. */
const deactivatedMeterSeconds = 300;

/**
 * Pauses a meter that Stripe says was deactivated, until it is reactivated or a probe finds it working. Returns whether
 * it was not paused before.
 */
export async function pauseMeter(trx: Trx, meter: MeterName): Promise<boolean> {
  const paused = await sql<{ isNew: boolean }>`
    insert into metering.delivery_control as c (scope, paused_until, reason, paused_at)
    values (${meter}, now() + make_interval(secs => ${deactivatedMeterSeconds}), 'meter_deactivated', now())
    on conflict (scope) do update
    set paused_until = excluded.paused_until, reason = excluded.reason, paused_at = coalesce(c.paused_at, now())
    where c.paused_until is null or c.paused_until < 'infinity'
    returning paused_at = now() as "isNew"
  `.execute(trx);
  return paused.rows[0]?.isNew === true;
}

/** Ends the pause of a meter that Stripe says was reactivated. Returns whether there was a pause to end. */
export async function resumeMeter(trx: Trx, meter: MeterName): Promise<boolean> {
  return endPause(trx, meter);
}
