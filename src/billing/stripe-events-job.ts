import type { Kysely } from "kysely";
import type { Job, JobResult, PgBoss } from "pg-boss";
import type { DB } from "../database/schema.ts";
import { requestSensorCount } from "../intake/count-sensors-job.ts";
import type { Log } from "../log.ts";
import { purgeQueue, stripeEventJobPayload, stripeEventsQueue } from "../queue/queues.ts";
import { isStripesFault } from "../stripe/answer.ts";
import { describeStripeError } from "../stripe/describe-stripe-error.ts";
import { inSpan, type Span, untraced } from "../tracing/tracer.ts";
import { type ApplyDeps, applyStripeEvent } from "./apply-event.ts";
import { beginHandling, endWithoutEffect, purgeStripeEvents, recordFailure } from "./inbox.ts";

const pollSeconds = 0.5;
/** Handled at once by one process: two batches. */
const batchesAtOnce = 2;
const eventsPerBatch = 5;
/** Attempts that began, those that Stripe could not answer apart, after which an event goes to the dead letter. */
const attemptsMax = 10;
/** Stripe's dashboard resends for 15 days and its command line for 30; an id seen later than this is nobody's retry. */
const keptDays = 90;

/** Works the queue of webhook events. */
export async function workStripeEvents(deps: ApplyDeps & { log: Log }): Promise<void> {
  await deps.boss.work(
    stripeEventsQueue.name,
    {
      pollingIntervalSeconds: pollSeconds,
      localConcurrency: batchesAtOnce,
      batchSize: eventsPerBatch,
      // Without it a batch at every poll would be all, and a storm of events would last for hours.
      burstWhenBatchFull: true,
      perJobResults: true,
    },
    (jobs) => Promise.all(jobs.map((job) => workJob(deps, job))),
  );
}

/** Works the daily job that deletes old events. */
export async function workPurgeQueue({
  db,
  boss,
  log,
}: {
  db: Kysely<DB>;
  boss: PgBoss;
  log: Log;
}): Promise<void> {
  await boss.work(purgeQueue.name, { pollingIntervalSeconds: 30 }, async () => {
    const count = await purgeStripeEvents(db, { keptDays });
    if (count > 0) log.info({ event: "stripe_events_purged", count });
  });
}

/** One event that cannot be handled now keeps none of its batch from being done. */
async function workJob(deps: ApplyDeps & { log: Log }, { id, data }: Job<unknown>): Promise<JobResult> {
  try {
    const { eventId, traceparent: parent } = stripeEventJobPayload.parse(data);
    const attributes = {
      "messaging.system": "pg-boss",
      "messaging.operation.type": "process",
      "stripe.event_id": eventId,
    };
    const options = { name: "handle stripe event", kind: "consumer", parent, attributes } as const;
    await inSpan(deps.tracer ?? untraced, options, (span) => handle(deps, eventId, span));
    return { id, status: "completed" };
  } catch (error) {
    return { id, status: "failed", output: { message: describe(error) } };
  }
}

function describe(error: unknown): string {
  return describeStripeError(error) ?? (error instanceof Error ? error.message : String(error));
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
    // None of them lived to tell why.
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
      if (applied.effect === "linked") await requestSensorCount(deps.boss);
      return;
    }
    await endWithoutEffect(db, eventId, { state: "failed", error: applied.reason });
    span.fail("unusable");
    log.error({ event: "stripe_event_failed", ...fields, reason: applied.reason });
  } catch (error) {
    if (isStripesFault(error) || attempts < attemptsMax) {
      await recordFailure(db, eventId, { error: describe(error), isStripesFault: isStripesFault(error) });
      throw error;
    }
    const reason = `given up after ${attemptsMax} attempts: ${describe(error)}`;
    await endWithoutEffect(db, eventId, { state: "failed", error: reason });
    span.fail("given_up");
    log.error({ event: "stripe_event_failed", ...fields, reason });
  }
}
