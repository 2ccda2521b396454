import { onEachShard } from "../database/each-shard.ts";
import type { MeterEventKey } from "../usage/meter-event-key.ts";
import type { MeterName } from "../usage/meters.ts";
import { hasOtherAmong, listUnderWay } from "./attempt-under-way.ts";
import { type Attempt, beginAttempts, type BeginOptions } from "./begin-attempts.ts";
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
  { db, log, shards }: TakeDeps,
  meter: MeterName,
  { due, elsewhere = [], ...options }: BeginOptions & Elsewhere & { due: readonly T[] },
): Promise<BegunDue<T>> {
  log.debug({ event: "attempts_beginning", meter, count: due.length });
  const busy: T[] = [];
  const { done, failed, errors } = await onEachShard(shards, due, {
    keyOf: ({ key }) => key,
    work: async (group, isOneShard) => {
      const organizations = new Set(group.map(({ key }) => key.organizationId));
      const others = elsewhere.filter(({ organizationId }) => organizations.has(organizationId));
      const underWay = others.length > 0 ? await listUnderWay(db, others, { ...options, isOneShard }) : [];
      const isBusy = hasOtherAmong(underWay);
      busy.push(...group.filter(({ key }) => isBusy(key)));
      const keys = group.map(({ key }) => key).filter((key) => !isBusy(key));
      return beginAttempts(db, keys, { ...options, isOneShard });
    },
  });
  if (failed.length > 0) {
    log.error({ event: "shards_failed", meter, count: failed.length, error: errors[0] });
  }
  const begun = matchAttempts(due, done.flat());
  log.debug({ event: "attempts_begun", meter, count: begun.length });
  const others = new Set(due);
  for (const one of [...begun.map((each) => each.due), ...busy, ...failed]) others.delete(one);
  return { begun, busy, notBegun: [...others], failed };
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
