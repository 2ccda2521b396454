import type { Job } from "pg-boss";
import { isNodeAway } from "../database/database-unavailable.ts";
import type { Db } from "../database/db.ts";
import { requestSensorCount } from "../intake/count-sensors-job.ts";
import type { Log } from "../log.ts";
import { purgeQueue, stripeEventJobPayload, stripeEventsQueue } from "../queue/queues.ts";
import { type WorkDeps, workEachJob, workQueue } from "../queue/work-queue.ts";
import { isStripesFault } from "../stripe/answer.ts";
import { describeError } from "../stripe/describe-stripe-error.ts";
import { inSpan, type Span, untraced } from "../tracing/tracer.ts";
import { type ApplyDeps, applyStripeEvent } from "./apply-event.ts";
import { logConsequences } from "./consequences.ts";
import { beginHandling, endWithoutEffect, purgeStripeEvents, recordFailure } from "./inbox.ts";

const pollSeconds = 0.5;
/** Handled at once by one process: four batches. The next begins when all events of one have ended. */
const batchesAtOnce = 4;
const eventsPerBatch = 2;
/** So that two batches at least are left to others while Stripe does not answer for one customer. */
const eventsOfOneSubject = 2;
/**
 * After this many attempts an event goes to the dead letter. Attempts that Stripe could not answer, or a node of a cluster,
 * do not count.
 */
const attemptsMax = 10;
/** Stripe's dashboard resends for 15 days and its command line for 30; after that no retry of this id can come. */
const keptDays = 90;

/** Works the queue of webhook events. */
export async function workStripeEvents(deps: ApplyDeps & WorkDeps): Promise<void> {
  await workEachJob(
    deps,
    {
      queue: stripeEventsQueue.name,
      pollingIntervalSeconds: pollSeconds,
      localConcurrency: batchesAtOnce,
      batchSize: eventsPerBatch,
      localGroupConcurrency: eventsOfOneSubject,
      // Otherwise each poll would handle one batch only, and a storm of events would last for hours.
      burstWhenBatchFull: true,
    },
    (job) => workJob(deps, job),
  );
}

/** Works the daily job that deletes old events. */
export async function workPurgeQueue(deps: WorkDeps & { db: Db }): Promise<void> {
  await workQueue(deps, { queue: purgeQueue.name, pollingIntervalSeconds: 30 }, async () => {
    const count = await purgeStripeEvents(deps.db, { keptDays });
    if (count > 0) deps.log.info({ event: "stripe_events_purged", count });
  });
}

/** Throws an error whose message the job's row and the log may show. */
async function workJob(deps: ApplyDeps & { log: Log }, { data }: Job<unknown>): Promise<void> {
  try {
    const { eventId, traceparent: parent } = stripeEventJobPayload.parse(data);
    const attributes = {
      "messaging.system": "pg-boss",
      "messaging.operation.type": "process",
      "stripe.event_id": eventId,
    };
    const options = { name: "handle stripe event", kind: "consumer", parent, attributes } as const;
    await inSpan(deps.tracer ?? untraced, options, (span) => handle(deps, eventId, span));
  } catch (error) {
    throw new Error(describeError(error), { cause: error });
  }
}

async function handle(deps: ApplyDeps & { log: Log }, eventId: string, span: Span): Promise<void> {
  const { db, log, reads } = deps;
  const begun = await beginHandling(db, eventId);
  if (begun === undefined) return;
  const { event, attempts } = begun;
  const fields = { event_id: eventId, event_type: event.type };
  span.set({ "stripe.event_type": event.type, "meter_outbox.attempt": attempts });
  if (event.livemode !== (reads.mode === "live")) {
    const error = `wrong_mode: a ${event.livemode ? "live" : "test"} event, but the key is a ${reads.mode} key`;
    await endWithoutEffect(db, eventId, { state: "refused", error });
    span.fail("wrong_mode");
    return log.warn({ event: "stripe_event_refused", ...fields, reason: error });
  }
  if (attempts > attemptsMax) {
    // All of its attempts ended with their process, so none could record why.
    const reason = `given up after ${attemptsMax} attempts`;
    await endWithoutEffect(db, eventId, { state: "failed", error: reason });
    span.fail("given_up");
    return log.error({ event: "stripe_event_failed", ...fields, reason });
  }
  try {
    const applied = await applyStripeEvent(deps, event);
    if (applied.kind === "done") {
      span.set({ "meter_outbox.effect": applied.effect });
      log.info({ event: "stripe_event_handled", ...fields, effect: applied.effect });
      logConsequences(log, applied.consequences, { eventId });
      if (applied.effect === "linked") await requestSensorCount(deps.boss);
      return;
    }
    await endWithoutEffect(db, eventId, { state: "failed", error: applied.reason });
    span.fail("unusable");
    log.error({ event: "stripe_event_failed", ...fields, reason: applied.reason });
  } catch (error) {
    const counts = !isStripesFault(error) && !isNodeAway(error);
    if (!counts || attempts < attemptsMax) {
      await recordFailure(db, eventId, { error: describeError(error), counts });
      throw error;
    }
    const reason = `given up after ${attemptsMax} attempts: ${describeError(error)}`;
    await endWithoutEffect(db, eventId, { state: "failed", error: reason });
    span.fail("given_up");
    log.error({ event: "stripe_event_failed", ...fields, reason });
  }
}
