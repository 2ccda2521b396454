import type { Job, PgBoss } from "pg-boss";
import type { Db } from "../database/db.ts";
import { inIndexOrder } from "../database/one-plan.ts";
import { onEachShard } from "../database/each-shard.ts";
import { keepTrying } from "../database/keep-trying.ts";
import { noGroupBound, onConnectionsOf } from "../queue/boss.ts";
import { type DeliverJob, deliverJobPayload, deliverQueueOf } from "../queue/queues.ts";
import type { MeterEventKey } from "../usage/meter-event-key.ts";
import { type MeterName, meters } from "../usage/meters.ts";
import { type Attempt, beginAttempts, type BeginOptions } from "./begin-attempts.ts";
import type { TakeDeps } from "./take-deps.ts";
import { releaseJobs } from "./release-jobs.ts";
import { supersedeGauges } from "./supersede-gauges.ts";
import { unwatched } from "./watch.ts";

export type TakenJob = {
  attempt: Attempt;
  job: Pick<Job, "id" | "retryCount">;
  /** The trace of the job, if it has one. */
  traceparent?: string | undefined;
};

export type TakeOptions = BeginOptions & {
  room: number;
  /** Several events of a customer at once: only where their order does not matter and a request takes many events. */
  manyOfEach?: boolean;
};

/**
 * Takes up to `room` jobs of a meter from pg-boss and counts an attempt at each of their events. Jobs whose event may
 * not be sent now are given back, so fewer attempts than jobs may result; `jobs` tells how many jobs there were.
 */
export async function takeJobs(
  deps: TakeDeps,
  meter: MeterName,
  { room, manyOfEach = false, leaseSeconds, sendableUntil }: TakeOptions,
): Promise<{ jobs: number; taken: TakenJob[] }> {
  const { db, boss, log } = deps;
  const jobs = await fetchInTurn({ db, boss }, meter, { room, manyOfEach });
  if (jobs.length === 0) return { jobs: 0, taken: [] };
  const parsed = jobs.map((job) => ({ job, payload: deliverJobPayload.safeParse(job.data) }));
  const keyed = parsed.flatMap(({ job, payload }) => (payload.success ? [keyedJob(job, payload.data)] : []));
  const foreign = parsed.flatMap(({ job, payload }) => (payload.success ? [] : [job]));
  if (foreign.length > 0) {
    // A job that is not ours must not hold up the others; the sweep reminds of every event anyway.
    log.error({ event: "deliver_jobs_unreadable", job_ids: foreign.map(({ id }) => id) });
    await handBack(deps, { meter, count: foreign.length }, () =>
      boss.complete(deliverQueueOf(meter), foreign),
    );
  }
  log.debug({ event: "attempts_beginning", meter, count: keyed.length });
  const { attempts, givenBack } = await beginOrGiveBack(deps, meter, { keyed, leaseSeconds, sendableUntil });
  log.debug({ event: "attempts_begun", meter, count: attempts.length });
  const taken = matchAttempts(keyed, attempts);
  const takenIds = new Set(taken.map(({ job }) => job.id));
  const notBegun = keyed.filter((one) => !takenIds.has(one.job.id) && !givenBack.includes(one));
  if (notBegun.length > 0) {
    const release = () => releaseJobs(deps, meter, { jobs: notBegun, sendableUntil });
    await handBack(deps, { meter, count: notBegun.length }, release);
  }
  return { jobs: jobs.length, taken };
}

/**
 * One active job for each customer and meter, or many: Stripe answers parallel single events of a customer with 409. Two
 * workers that fetch at the same moment may each take one; the 409 is then retried.
 */
function fetchInTurn(
  { db, boss }: { db: Db; boss: PgBoss },
  meter: MeterName,
  { room, manyOfEach }: Required<Pick<TakeOptions, "room" | "manyOfEach">>,
): Promise<Job<DeliverJob>[]> {
  return inIndexOrder(db, (one) =>
    boss.fetch<DeliverJob>(deliverQueueOf(meter), {
      batchSize: room,
      groupConcurrency: manyOfEach ? noGroupBound : 1,
      db: onConnectionsOf(one),
    }),
  );
}

type KeyedJob = { job: Job<DeliverJob>; key: MeterEventKey; traceparent: string | undefined };

function keyedJob(job: Job<DeliverJob>, { traceparent, ...key }: DeliverJob): KeyedJob {
  return { job, key, traceparent };
}

/**
 * Hands jobs that are not sent back to pg-boss. Where the database refuses that, it is tried again while the loop goes on:
 * kept, these jobs would hold up all events of their customers until their leases end.
 */
async function handBack(
  { log, watch = unwatched }: TakeDeps,
  { meter, count }: { meter: MeterName; count: number },
  handOver: () => Promise<unknown>,
): Promise<void> {
  try {
    await handOver();
  } catch (error) {
    watch.onFailed();
    log.error({ event: "release_failed", meter, count, error });
    keepTrying({ log }, `handing back jobs of ${meter}`, handOver);
  }
}

/**
 * Counts the attempts, or gives the jobs back when the database refuses, as it does on the connections to a server that
 * was the writer until a moment ago.
 */
async function beginOrGiveBack(
  deps: TakeDeps,
  meter: MeterName,
  { keyed, ...options }: BeginOptions & { keyed: readonly KeyedJob[] },
): Promise<{ attempts: Attempt[]; givenBack: readonly KeyedJob[] }> {
  const { db, boss, log, shards } = deps;
  const begin = async (group: readonly KeyedJob[], isOneShard: boolean) => {
    const keys = group.map(({ key }) => key);
    // Sooner than the sweep: the overtaken value's job then ends, and the newest goes out alone.
    if (meters[meter].aggregation === "last") {
      await supersedeGauges(db, { ...options, shard: { organizations: keys, isOneShard } });
    }
    return beginAttempts(db, keys, { ...options, isOneShard });
  };
  const giveBack = (jobs: readonly KeyedJob[]) => {
    const unsent = jobs.map(({ job: { id, retryCount } }) => ({ id, retryCount }));
    return handBack(deps, { meter, count: jobs.length }, () => boss.fail(deliverQueueOf(meter), unsent));
  };
  try {
    const begun = await onEachShard(shards, keyed, { keyOf: ({ key }) => key, work: begin });
    if (begun.failed.length > 0) {
      log.error({ event: "shards_failed", meter, count: begun.failed.length, error: begun.errors[0] });
      await giveBack(begun.failed);
    }
    return { attempts: begun.done.flat(), givenBack: begun.failed };
  } catch (error) {
    await giveBack(keyed);
    throw error;
  }
}

/** Each attempt goes with one job: if another program has made several jobs for an event, one attempt is made. */
function matchAttempts(keyed: readonly KeyedJob[], attempts: readonly Attempt[]): TakenJob[] {
  const nameOf = ({ organizationId, meterEventId }: MeterEventKey) => `${organizationId} ${meterEventId}`;
  const left = new Map(attempts.map((attempt) => [nameOf(attempt), attempt]));
  return keyed.flatMap(({ job, key, traceparent }) => {
    const attempt = left.get(nameOf(key));
    left.delete(nameOf(key));
    return attempt === undefined ? [] : [{ attempt, job, traceparent }];
  });
}
