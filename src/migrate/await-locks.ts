import { setTimeout as pause } from "node:timers/promises";
import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import type { Log } from "../log.ts";

/** The sessions of this name may wait for a lock of other ones. */
export const migrateSessions = "meter-outbox migrate";

/**
 * How long a statement of these waits for a lock: requests for the same table wait behind it. Longer than Postgres's usual
 * `deadlock_timeout` of 1 s, at which a statement that waits for an autovacuum has it cancelled.
 */
export const lockWaitMsMax = 1_500;

/** What Postgres says when a statement gave its lock up, and when two transactions waited for each other. */
const lockCodes = new Set(["55P03", "40P01"]);

const lookEveryMs = 250;

export type LockPatience = {
  /** In this time requests go through. */
  againAfterMs: number;
  patienceMs: number;
  tellEveryMs: number;
};

const usualPatience: LockPatience = { againAfterMs: 2_000, patienceMs: 600_000, tellEveryMs: 60_000 };

type LockHolder = { pid: number; application_name: string | null; transaction_seconds: number | null };

/**
 * Does `work`, again and again while it cannot get its locks: a long reader, such as a dump, may hold one for hours, and
 * intake must not wait as long. `work` leaves nothing of an attempt that failed, or goes on where that ended. Throws what to
 * do when other sessions held a lock for ten minutes, and every other error at once.
 */
export async function awaitLocks<T>(
  { db, log }: { db: Db; log: Log },
  work: () => Promise<T>,
  { againAfterMs, patienceMs, tellEveryMs }: LockPatience = usualPatience,
): Promise<T> {
  const startedAt = performance.now();
  let tellAt = startedAt;
  for (;;) {
    const stopWatch = watchHolders(db);
    const attempt = await Promise.allSettled([work()]).then(([outcome]) => outcome);
    const holders = await stopWatch();
    if (attempt.status === "fulfilled") return attempt.value;
    if (!isForLock(attempt.reason)) throw attempt.reason;
    const now = performance.now();
    const leftMs = startedAt + patienceMs - now;
    if (leftMs <= 0) throw new Error(giveUp(patienceMs, holders), { cause: attempt.reason });
    if (now >= tellAt) {
      log.warn({ event: "migration_awaits_lock", holders, gives_up_in_seconds: Math.round(leftMs / 1_000) });
      tellAt = now + tellEveryMs;
    }
    await pause(againAfterMs);
  }
}

function isForLock(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(isForLock);
  if (!(error instanceof Error)) return false;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  return lockCodes.has(code) || isForLock(error.cause);
}

function giveUp(patienceMs: number, holders: readonly LockHolder[]): string {
  const seen = holders.map(
    ({ pid, application_name, transaction_seconds }) =>
      `pid ${pid} (${application_name ?? "no name"}, in a transaction for ${transaction_seconds ?? "?"} s)`,
  );
  return (
    `for ${Math.round(patienceMs / 60_000)} minutes other sessions held a lock that is needed: ` +
    `${seen.length === 0 ? "none of them was seen" : seen.join(", ")}; ` +
    "wait until they have ended, or end them by pg_terminate_backend(pid), and migrate again"
  );
}

/** Looks who is in the way until it is stopped; then it says whom it saw last. */
function watchHolders(db: Db): () => Promise<LockHolder[]> {
  const ended = new AbortController();
  let seen: LockHolder[] = [];
  const watching = (async () => {
    while (!ended.signal.aborted) {
      // A look that fails shows no holder; the work itself says whether the database is away.
      const holders = await listHolders(db).catch(() => []);
      if (holders.length > 0) seen = holders;
      await pause(lookEveryMs, undefined, { signal: ended.signal }).catch(() => {});
    }
  })();
  return async () => {
    ended.abort();
    await watching;
    return seen;
  };
}

/**
 * Those whom our sessions wait for now. Pid 0 stands for a prepared transaction. A role that may not see others' sessions
 * gets their name without the time.
 */
async function listHolders(db: Db): Promise<LockHolder[]> {
  const { rows } = await sql<LockHolder>`
    select distinct blocking.pid,
      coalesce(nullif(holder.application_name, ''), holder.backend_type) as application_name,
      extract(epoch from clock_timestamp() - holder.xact_start)::int as transaction_seconds
    from pg_stat_activity waiting
    cross join lateral unnest(pg_blocking_pids(waiting.pid)) blocking (pid)
    left join pg_stat_activity holder on holder.pid = blocking.pid
    where waiting.datname = current_database() and waiting.application_name = ${migrateSessions}
      and waiting.wait_event_type = 'Lock'
    order by blocking.pid
  `.execute(db);
  return rows;
}
