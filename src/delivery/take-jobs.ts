import type { Job } from "pg-boss";
import { inIndexOrder } from "../database/one-plan.ts";
import { noGroupBound, onConnectionsOf } from "../queue/boss.ts";
import { aheadOfAll } from "../queue/deliver-job.ts";
import { type DeliverJob, deliverJobPayload, deliverQueueOf } from "../queue/queues.ts";
import type { MeterName } from "../usage/meters.ts";
import type { Attempt, BeginOptions } from "./begin-attempts.ts";
import { beginDue, type Due } from "./begin-due.ts";
import { endUnreadable, handBack } from "./hand-back.ts";
import { listShipped } from "./jobs-under-way.ts";
import { fetchUnlessResting } from "./rests.ts";
import { releaseJobs } from "./release-jobs.ts";
import type { TakeDeps } from "./take-deps.ts";

export type TakenJob = {
  attempt: Attempt;
  /** Its own job; none where it came with a shipment. */
  job?: Pick<Job, "id" | "retryCount"> | undefined;
  /** The trace of the job, if it has one. */
  traceparent?: string | undefined;
};

export type TakeOptions = Omit<BeginOptions, "isOneShard" | "unfinishedMax"> & {
  room: number;
  /** Several events of a customer at once: only where their order does not matter and a request takes many events. */
  manyOfEach?: boolean;
  /** Only events that go ahead of all others. */
  onlyHurried?: boolean;
};

/**
 * Takes up to `room` jobs of a meter from pg-boss, each of one event, and counts an attempt at each of their events. Jobs
 * whose event may not be sent now are given back, so fewer attempts than jobs may result; `jobs` tells how many jobs there
 * were.
 */
export async function takeJobs(
  deps: TakeDeps,
  meter: MeterName,
  { room, manyOfEach = false, onlyHurried = false, leaseSeconds, sendableUntil }: TakeOptions,
): Promise<{ jobs: number; taken: (TakenJob & { job: Job<DeliverJob> })[] }> {
  const jobs = await fetchInTurn(deps, meter, { room, manyOfEach, onlyHurried });
  if (jobs.length === 0) return { jobs: 0, taken: [] };
  const parsed = jobs.map((job) => ({ job, payload: deliverJobPayload.safeParse(job.data) }));
  const keyed = parsed.flatMap(({ job, payload }) => (payload.success ? [keyedJob(job, payload.data)] : []));
  const foreign = parsed.flatMap(({ job, payload }) => (payload.success ? [] : [job]));
  await endUnreadable(deps, meter, { queue: deliverQueueOf(meter), jobs: foreign });
  const { begun, busy, alone, notBegun } = await beginOrGiveBack(deps, meter, {
    due: keyed,
    manyOfEach,
    leaseSeconds,
    sendableUntil,
  });
  const unsent = [...notBegun, ...busy, ...alone];
  if (unsent.length > 0) {
    const release = () => releaseJobs(deps, meter, { jobs: unsent, busy, alone, sendableUntil });
    await handBack(deps, { meter, count: unsent.length }, release);
  }
  const taken = begun.map(({ attempt, due: { job, traceparent } }) => ({ attempt, job, traceparent }));
  return { jobs: jobs.length, taken };
}

/**
 * One active job for each customer and meter, or many: Stripe answers parallel single events of a customer with 409. Two
 * workers that fetch at the same moment may each take one; the 409 is then retried.
 */
async function fetchInTurn(
  { db, boss, emptyQueues }: TakeDeps,
  meter: MeterName,
  { room, manyOfEach, onlyHurried }: Required<Pick<TakeOptions, "room" | "manyOfEach" | "onlyHurried">>,
): Promise<Job<DeliverJob>[]> {
  const queue = deliverQueueOf(meter);
  const fetch = () =>
    inIndexOrder(db, (one) =>
      boss.fetch<DeliverJob>(queue, {
        batchSize: room,
        groupConcurrency: manyOfEach ? noGroupBound : 1,
        ...(onlyHurried && { minPriority: -aheadOfAll }),
        db: onConnectionsOf(one),
      }),
    );
  // A queue without hurried events is not empty for that.
  if (onlyHurried) return emptyQueues?.isResting(queue) === true ? [] : fetch();
  return fetchUnlessResting(emptyQueues, queue, fetch);
}

type KeyedJob = Due & { job: Job<DeliverJob> };

function keyedJob(job: Job<DeliverJob>, { traceparent, ...key }: DeliverJob): KeyedJob {
  return { job, key, traceparent };
}

/**
 * Counts the attempts, or gives the jobs back when the database refuses, as it does on the connections to a server that
 * was the writer until a moment ago.
 */
async function beginOrGiveBack(
  deps: TakeDeps,
  meter: MeterName,
  { manyOfEach, ...options }: BeginOptions & { due: readonly KeyedJob[]; manyOfEach: boolean },
) {
  const giveBack = (jobs: readonly KeyedJob[]) => {
    const unsent = jobs.map(({ job: { id, retryCount } }) => ({ id, retryCount }));
    return handBack(deps, { meter, count: jobs.length }, () => deps.boss.fail(deliverQueueOf(meter), unsent));
  };
  try {
    // pg-boss holds apart the jobs of single events.
    const elsewhere = manyOfEach ? undefined : await listShipped(deps.db, meter);
    const due = await beginDue(deps, meter, { ...options, elsewhere });
    if (due.failed.length > 0) await giveBack(due.failed);
    return due;
  } catch (error) {
    await giveBack(options.due);
    throw error;
  }
}
