import type { Log } from "../log.ts";
import { wait } from "../process/wait.ts";
import type { Breaker } from "./breaker.ts";
import { deliver, type DeliverOptions, holdBack } from "./deliver.ts";
import { turnMsMax } from "./limits.ts";
import type { Scope } from "./pauses.ts";
import type { FinishedAttempt } from "./settle.ts";
import type { TakenJob } from "./take-jobs.ts";
import type { TokenBucket } from "./token-bucket.ts";
import type { DeliveryWatch } from "./watch.ts";

const refusedTogether =
  "a request of several events was refused as a whole, and none was made of this one alone";

/** The jobs of one request to Stripe. */
export type TakenRequest = {
  jobs: readonly TakenJob[];
  /** The pause that the request is a probe of. */
  probedScope: Scope | undefined;
  /** The attempts did not begin before, by this process's clock. */
  begunAt: Date;
};

export type SendTools = DeliverOptions & {
  log: Log;
  bucket: TokenBucket;
  breaker: Breaker;
  watch: DeliveryWatch;
  /** How long other workers leave an event alone whose attempt has begun. */
  leaseSeconds: number;
  /** Aborted once no further request may start. */
  stopping: AbortSignal;
};

/**
 * Makes the attempts of a request, or holds them back where they waited for their turn for too long, or sending has
 * stopped or paused meanwhile. The bucket and the breaker have learned from the answer before this resolves, and so
 * before the next request starts.
 */
export async function sendTaken(request: TakenRequest, tools: SendTools): Promise<FinishedAttempt[]> {
  const { jobs, probedScope } = request;
  if (await isHeldBack(request, tools)) {
    const held = holdBack(jobs);
    // A stop held back a pause's probe: other workers may make it at once, not only when its lease is over.
    if (probedScope !== undefined && held[0] !== undefined) await tellBreaker(held[0], probedScope, tools);
    return held;
  }
  return sendNow(request, tools);
}

async function sendNow(request: TakenRequest, tools: SendTools): Promise<FinishedAttempt[]> {
  const { jobs, probedScope } = request;
  const finished = await deliver(jobs, tools);
  tools.log.debug({ event: "attempts_answered", count: finished.length });
  const [answered] = finished;
  if (answered === undefined) return finished;
  if (jobs.length > 1 && isAboutOne(answered)) return sendApart(request, tools);
  tellWatchAndBucket(finished, answered, tools);
  await tellBreaker(answered, probedScope, tools);
  return finished;
}

/** Of several events in one request such an answer is about one, and does not say which. */
function isAboutOne({ verdict }: FinishedAttempt): boolean {
  return verdict.kind === "rejected" || (verdict.kind === "delivered" && verdict.isDuplicate);
}

/**
 * Sends each event of a refused request alone, so that each gets an answer of its own. They go one after the other, in place
 * of the request that was refused, and wait for the bucket. The attempts that do not get their turn inside their
 * lease are held back.
 */
async function sendApart({ jobs, ...request }: TakenRequest, tools: SendTools): Promise<FinishedAttempt[]> {
  const finished: FinishedAttempt[] = [];
  for (const job of jobs) {
    const alone = { ...request, jobs: [job] };
    const isItsTurn = (await isLetThrough(alone, tools)) && !(await isHeldBack(alone, tools));
    finished.push(...(isItsTurn ? await sendNow(alone, tools) : holdBack([job], refusedTogether)));
  }
  return finished;
}

/** Waits until the bucket has room for one more request; not where that comes too late, or after a stop. */
async function isLetThrough(request: TakenRequest, tools: SendTools): Promise<boolean> {
  const { bucket, stopping } = tools;
  while (bucket.available() < 1) {
    const waitMs = bucket.waitMs();
    if (stopping.aborted || isTooLate(request, tools, waitMs)) return false;
    await wait(waitMs, stopping);
  }
  bucket.take(1);
  return true;
}

/** An attempt that is made so much later could outlast its lease; after a sleep of the machine it may have done so already. */
function isTooLate({ begunAt }: TakenRequest, { now, leaseSeconds }: SendTools, inMs = 0): boolean {
  return now().getTime() + inMs - begunAt.getTime() > turnMsMax(leaseSeconds);
}

async function isHeldBack(request: TakenRequest, tools: SendTools): Promise<boolean> {
  const { jobs, probedScope } = request;
  const { stopping, breaker, watch, log } = tools;
  const [first] = jobs;
  if (stopping.aborted || first === undefined) return true;
  if (isTooLate(request, tools)) return true;
  if (probedScope !== undefined) return false;
  try {
    return await breaker.isPaused(first.attempt.meter);
  } catch (error) {
    // The pauses cannot be read. An attempt that began has to end: three that do not would look like lost workers.
    watch.onFailed();
    log.error({ event: "breaker_failed", error });
    return true;
  }
}

function tellWatchAndBucket(
  finished: readonly FinishedAttempt[],
  { verdict }: FinishedAttempt,
  { watch, bucket, log }: SendTools,
): void {
  try {
    watch.onAnswered(finished);
    bucket.observe(verdict);
  } catch (error) {
    watch.onFailed();
    log.error({ event: "deliver_failed", error });
  }
}

async function tellBreaker(
  { verdict, attempt }: FinishedAttempt,
  probedScope: Scope | undefined,
  { breaker, watch, log }: SendTools,
): Promise<void> {
  try {
    await breaker.observe(verdict, { meter: attempt.meter, probedScope });
  } catch (error) {
    // The pause could not be written; the next failure writes it. This attempt's outcome must not be lost for it.
    watch.onFailed();
    log.error({ event: "breaker_failed", error });
  }
}
