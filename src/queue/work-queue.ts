import { messageOf } from "../process/message-of.ts";
import type { Job, JobResult, PgBoss, WorkOptions } from "pg-boss";
import { isDatabaseUnavailable } from "../database/database-unavailable.ts";
import { keepTrying } from "../database/keep-trying.ts";
import type { Log } from "../log.ts";
import { noGroupBound } from "./boss.ts";

export type WorkDeps = {
  boss: PgBoss;
  log: Log;
  /** Called for every job that failed, for metrics. Must not throw. */
  onJobFailed?: ((queue: string) => void) | undefined;
};

/** The options of pg-boss that a queue may choose. */
export type WorkQueueOptions = Pick<
  WorkOptions,
  "pollingIntervalSeconds" | "localConcurrency" | "localGroupConcurrency" | "batchSize" | "burstWhenBatchFull"
>;

type Failure = { queue: string; jobs: readonly Job<unknown>[]; error: unknown };

/**
 * Works a queue by pg-boss; the only way to do so. A handler's error is logged with its queue and counted before
 * pg-boss decides when to try again, and so is a handler that takes longer than its job's lease or the worker's grace.
 */
export async function workQueue(
  deps: WorkDeps,
  { queue, ...options }: { queue: string } & WorkQueueOptions,
  handle: (jobs: Job<unknown>[]) => Promise<void>,
): Promise<void> {
  await deps.boss.work(queue, withGroupBound(options), (jobs: Job<unknown>[]) =>
    watched(deps, { queue, jobs }, async () => {
      try {
        await handle(jobs);
      } catch (error) {
        reportFailure(deps, { queue, jobs, error });
        throw error;
      }
    }),
  );
}

/** The same for a queue whose jobs are handled several at a time, where each job may fail alone. */
export async function workEachJob(
  deps: WorkDeps,
  { queue, ...options }: { queue: string } & WorkQueueOptions,
  handle: (job: Job<unknown>) => Promise<void>,
): Promise<void> {
  const handleOne = async (job: Job<unknown>): Promise<JobResult> => {
    try {
      await handle(job);
      return { id: job.id, status: "completed" };
    } catch (error) {
      reportFailure(deps, { queue, jobs: [job], error });
      return { id: job.id, status: "failed", output: { message: messageOf(error) } };
    }
  };
  const perJob = { ...withGroupBound(options), perJobResults: true as const };
  await deps.boss.work(queue, perJob, (jobs: Job<unknown>[]) =>
    watched(deps, { queue, jobs }, () => Promise.all(jobs.map(handleOne))),
  );
}

/** pg-boss takes one bound of groups. */
function withGroupBound(options: WorkQueueOptions): WorkOptions {
  return options.localGroupConcurrency === undefined
    ? { ...options, groupConcurrency: noGroupBound }
    : options;
}

/** pg-boss fails a job whose handler takes too long, and tells the handler by the job's signal only. */
async function watched<T>(
  deps: WorkDeps,
  { queue, jobs }: Omit<Failure, "error">,
  work: () => Promise<T>,
): Promise<T> {
  const ended = new AbortController();
  const error = new Error(
    "the job was taken away before its end: it outlived its lease or the worker's grace",
  );
  jobs[0]?.signal.addEventListener("abort", () => reportFailure(deps, { queue, jobs, error }), {
    once: true,
    signal: ended.signal,
  });
  try {
    return await work();
  } finally {
    ended.abort();
  }
}

/**
 * A database that refused the handler refuses pg-boss, too, which then leaves the jobs active until their leases end. They
 * are failed here as soon as it can be; where pg-boss has done so, once more or not at all.
 */
function reportFailure({ boss, log, onJobFailed }: WorkDeps, { queue, jobs, error }: Failure): void {
  onJobFailed?.(queue);
  log.error({ event: "job_failed", queue, job_ids: jobs.map(({ id }) => id), error });
  if (!isDatabaseUnavailable(error)) return;
  const attempts = jobs.map(({ id, retryCount }) => ({ id, retryCount }));
  keepTrying({ log }, `failing jobs of ${queue}`, () =>
    boss.fail(queue, attempts, { message: messageOf(error) }),
  );
}
