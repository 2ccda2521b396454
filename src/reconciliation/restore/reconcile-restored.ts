import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import { doubtRestored } from "../../delivery/doubt-restored.ts";
import { account, endPauseFor, pauseDelivery, readPauses } from "../../delivery/pauses.ts";
import { sealDueEntries } from "../../outbox/seal.ts";
import { meterNames } from "../../usage/meters.ts";
import { type DoubtDeps, resolveDoubt } from "../doubt/resolve-doubt.ts";

export type RestoreProgress =
  | { kind: "sealed"; events: number; entries: number }
  | { kind: "doubted"; events: number }
  | { kind: "waiting"; events: number };

export type RestoreDeps = DoubtDeps & {
  wait: (ms: number) => Promise<void>;
  tell: (progress: RestoreProgress) => void;
};

/** What became of usage that the restored database took for undelivered: events and quantity by state. */
export type Restored = {
  states: { state: string; events: number; quantity: string }[];
  /** Left in doubt: Stripe's sums do not explain them. */
  unclear: number;
  /** Whether an operator's pause holds: one that is not this command's own, or its own while something is left in doubt. */
  isPaused: boolean;
};

/** A backlog of any size is sealed: what is not has no place in the comparison, and would be sent afterwards. */
const bounds = { pendingMax: Number.MAX_SAFE_INTEGER, failedOfOneMax: Infinity };
const waitMs = { min: 1_000, max: 30_000 };

/**
 * Compares a database that was restored from an older backup with Stripe's sums, before anything is sent: sending is paused,
 * what is unsealed is sealed, what is undelivered is put in doubt, and looks at Stripe's sums tell which of it the lost
 * database had sent. Returns when each event is resolved or unclear, which takes two looks. Safe to repeat.
 */
export async function reconcileRestored(deps: RestoreDeps): Promise<Restored> {
  const { db, boss, tell } = deps;
  const pausedAt = await pauseUnlessPaused(db);
  const sealed = await sealDueEntries({ db, boss }, { meters: meterNames, ...bounds });
  tell({ kind: "sealed", events: sealed.events, entries: sealed.entries });
  const ids = await doubtRestored(db, { pausedAt });
  tell({ kind: "doubted", events: ids.length });
  for (;;) {
    await resolveDoubt(deps, { cause: "restore", isCurrentHourToo: true });
    const waiting = await countWaiting(db, ids);
    if (waiting === 0) break;
    tell({ kind: "waiting", events: waiting });
    await deps.wait(Math.min(Math.max(deps.absenceSeconds * 100, waitMs.min), waitMs.max));
  }
  const states = await readStates(db, ids);
  const unclear = states.find(({ state }) => state === "in_doubt")?.events ?? 0;
  if (unclear === 0) await endPauseFor(db, ourReason);
  return { states, unclear, isPaused: (await findPause(db)) !== undefined };
}

const ourReason = "reconcile --after-restore";

async function pauseUnlessPaused(db: Db): Promise<Date> {
  const standing = await findPause(db);
  if (standing === undefined) await pauseDelivery(db, ourReason);
  const pause = standing ?? (await findPause(db));
  if (pause === undefined) throw new Error("sending could not be paused");
  return pause.pausedAt;
}

/** An operator's; one of the circuit breaker ends by itself. */
async function findPause(db: Db): Promise<{ pausedAt: Date } | undefined> {
  const pauses = await readPauses(db);
  return pauses.find(({ scope, until }) => scope === account && until === null);
}

/** In doubt, and not looked at often enough to say more. */
async function countWaiting(db: Db, ids: readonly string[]): Promise<number> {
  const { rows } = await sql<{ events: number }>`
    select count(*)::int as events
    from metering.meter_events m
    left join lateral (
      select r.result
      from metering.reconciliations r
      where r.organization_id = m.organization_id and r.meter = m.meter and r.stripe_customer_id = m.stripe_customer_id
        and r.window_end > m.event_at and r.window_end <= m.hour + interval '1 hour'
        and r.window_start <= m.event_at and r.window_start >= m.hour
      order by r.read_at desc
      limit 1
    ) newest on true
    where m.id = any(${ids}::uuid[]) and m.state = 'in_doubt' and newest.result is distinct from 'different'
  `.execute(db);
  return rows[0]?.events ?? 0;
}

async function readStates(db: Db, ids: readonly string[]): Promise<Restored["states"]> {
  const { rows } = await sql<Restored["states"][number]>`
    select state, count(*)::int as events, sum(quantity)::text as quantity
    from metering.meter_events
    where id = any(${ids}::uuid[])
    group by state
    order by state
  `.execute(db);
  return rows;
}
