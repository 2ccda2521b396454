import type { Log } from "../log.ts";
import type { Breaker } from "./breaker.ts";
import { deliver, type DeliverOptions, holdBack } from "./deliver.ts";
import { turnMsMax } from "./limits.ts";
import type { Scope } from "./pauses.ts";
import type { FinishedAttempt } from "./settle.ts";
import type { TakenJob } from "./take-jobs.ts";
import type { TokenBucket } from "./token-bucket.ts";
import type { DeliveryWatch } from "./watch.ts";

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
  const finished = await deliver(jobs, tools);
  tools.log.debug({ event: "attempts_answered", count: finished.length });
  const answers = onePerAnswer(finished);
  tellWatchAndBucket(finished, answers, tools);
  for (const one of answers) await tellBreaker(one, probedScope, tools);
  return finished;
}

/** Attempts of one request share its answer; where the stream refused a request, each was made again in one of its own. */
function onePerAnswer(finished: readonly FinishedAttempt[]): FinishedAttempt[] {
  return [...new Map(finished.map((one) => [one.answer, one])).values()];
}

async function isHeldBack(
  { jobs: [first], probedScope, begunAt }: TakenRequest,
  { stopping, breaker, watch, log, now }: SendTools,
): Promise<boolean> {
  if (stopping.aborted || first === undefined) return true;
  // The machine slept: another worker may have sent the events meanwhile, and Stripe may have forgotten them again.
  if (now().getTime() - begunAt.getTime() > turnMsMax) return true;
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
  answers: readonly FinishedAttempt[],
  { watch, bucket, log }: SendTools,
): void {
  try {
    watch.onAnswered(finished);
    for (const { verdict } of answers) bucket.observe(verdict);
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
