import { onEachShard } from "../database/each-shard.ts";
import type { MeterEventKey } from "../usage/meter-event-key.ts";
import type { MeterName } from "../usage/meters.ts";
import { hasOtherAmong, listUnderWay } from "./attempt-under-way.ts";
import { beginAlone } from "./begin-alone.ts";
import { type Attempt, beginAttempts, type BeginOptions } from "./begin-attempts.ts";
import { unfinishedTogetherMax } from "./limits.ts";
import type { TakeDeps } from "./take-deps.ts";

/** A meter event that a job reminds of. */
export type Due = {
  key: MeterEventKey;
  /** The trace of the job, if it has one. */
  traceparent?: string | undefined;
};

export type BegunDue<T extends Due> = {
  begun: { attempt: Attempt; due: T }[];
  /** Events whose customer has another event under way. */
  busy: T[];
  /** Events whose last allowed attempt waits until no other last attempt is under way. */
  alone: T[];
  /** Events that may not be sent now. */
  notBegun: T[];
  /** Events whose shard of a cluster failed. */
  failed: T[];
};

/**
 * Events that other workers, or other jobs, may have under way: Stripe takes one of a customer and meter at a time, so an
 * event begins only when no other of its organization is under way. Two that begin at the same moment do not see each other;
 * Stripe then answers one with 409, and it is retried.
 */
type Elsewhere = { elsewhere?: readonly MeterEventKey[] | undefined };

/** Counts an attempt at each of these events of a meter. Throws where the database refuses all. */
export async function beginDue<T extends Due>(
  deps: TakeDeps,
  meter: MeterName,
  { due, elsewhere = [], ...options }: BeginOptions & Elsewhere & { due: readonly T[] },
): Promise<BegunDue<T>> {
  const { db, log, shards } = deps;
  log.debug({ event: "attempts_beginning", meter, count: due.length });
  const busy: T[] = [];
  const waiting = new Set<string>();
  const { done, failed, errors } = await onEachShard(shards, due, {
    keyOf: ({ key }) => key,
    work: async (group, isOneShard) => {
      const organizations = new Set(group.map(({ key }) => key.organizationId));
      const others = elsewhere.filter(({ organizationId }) => organizations.has(organizationId));
      const underWay = others.length > 0 ? await listUnderWay(db, others, { ...options, isOneShard }) : [];
      const isBusy = hasOtherAmong(underWay);
      busy.push(...group.filter(({ key }) => isBusy(key)));
      const keys = group.map(({ key }) => key).filter((key) => !isBusy(key));
      const together = await beginTogether(deps, keys, { ...options, isOneShard });
      for (const { meterEventId } of together.waiting) waiting.add(meterEventId);
      return together.begun;
    },
  });
  if (failed.length > 0) {
    log.error({ event: "shards_failed", meter, count: failed.length, error: errors[0] });
  }
  const begun = matchAttempts(due, done.flat());
  log.debug({ event: "attempts_begun", meter, count: begun.length });
  const others = new Set(due);
  for (const one of [...begun.map((each) => each.due), ...busy, ...failed]) others.delete(one);
  const alone = [...others].filter(({ key }) => waiting.has(key.meterEventId));
  for (const one of alone) others.delete(one);
  return { begun, busy, alone, notBegun: [...others], failed };
}

/** Counts an attempt at each, and of those for which it is the last one at one alone. */
async function beginTogether(deps: TakeDeps, keys: readonly MeterEventKey[], options: BeginOptions) {
  const begun = await beginAttempts(deps.db, keys, { ...options, unfinishedMax: unfinishedTogetherMax });
  const isBegun = new Set(begun.map(({ meterEventId }) => meterEventId));
  const left = keys.filter(({ meterEventId }) => !isBegun.has(meterEventId));
  if (left.length === 0) return { begun, waiting: [] };
  try {
    const alone = await beginAlone(deps, left, options);
    return { begun: [...begun, ...alone.begun], waiting: alone.waiting };
  } catch (error) {
    // Attempts that have begun go out.
    deps.watch?.onFailed();
    deps.log.error({ event: "delivery_step_failed", error });
    return { begun, waiting: [] };
  }
}

/** Each attempt goes with one job: if several remind of an event, one attempt is made. */
function matchAttempts<T extends Due>(due: readonly T[], attempts: readonly Attempt[]) {
  const nameOf = ({ organizationId, meterEventId }: MeterEventKey) => `${organizationId} ${meterEventId}`;
  const left = new Map(attempts.map((attempt) => [nameOf(attempt), attempt]));
  return due.flatMap((one) => {
    const attempt = left.get(nameOf(one.key));
    left.delete(nameOf(one.key));
    return attempt === undefined ? [] : [{ attempt, due: one }];
  });
}
