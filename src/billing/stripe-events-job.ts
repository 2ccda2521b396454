import type { Kysely } from "kysely";
import type { PgBoss } from "pg-boss";
import type { DB } from "../database/schema.ts";
import { requestSensorCount } from "../intake/count-sensors-job.ts";
import type { Log } from "../log.ts";
import { purgeQueue, stripeEventJobPayload, stripeEventsQueue } from "../queue/queues.ts";
import { isStripesFault } from "../stripe/answer.ts";
import { type ApplyDeps, applyStripeEvent } from "./apply-event.ts";
import { beginHandling, endWithoutEffect, purgeStripeEvents, recordFailure } from "./inbox.ts";

const pollSeconds = 0.5;
const eventsAtOnce = 5;
/** Attempts that began, those that Stripe could not answer apart, after which an event goes to the dead letter. */
const attemptsMax = 10;
/** Stripe's dashboard resends for 15 days and its command line for 30; an id seen later than this is nobody's retry. */
const keptDays = 90;

/** Works the queue of webhook events. */
export async function workStripeEvents(deps: ApplyDeps & { log: Log }): Promise<void> {
  await deps.boss.work(
    stripeEventsQueue.name,
    { pollingIntervalSeconds: pollSeconds, localConcurrency: eventsAtOnce },
    async (jobs) => {
      for (const job of jobs) await handle(deps, stripeEventJobPayload.parse(job.data).eventId);
    },
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

async function handle(deps: ApplyDeps & { log: Log }, eventId: string): Promise<void> {
  const { db, log, reads } = deps;
  const begun = await beginHandling(db, eventId);
  if (begun === undefined) return;
  const { event, attempts } = begun;
  const fields = { event_id: eventId, event_type: event.type };
  if (event.livemode !== (reads.mode === "live")) {
    const error = `wrong_mode: a ${event.livemode ? "live" : "test"} event, but the key is a ${reads.mode} key`;
    await endWithoutEffect(db, eventId, { state: "refused", error });
    return log.warn({ event: "stripe_event_refused", ...fields, reason: error });
  }
  if (attempts > attemptsMax) {
    await endWithoutEffect(db, eventId, { state: "failed", error: `given up after ${attemptsMax} attempts` });
    return log.error({ event: "stripe_event_failed", ...fields, reason: "too_many_attempts" });
  }
  try {
    const applied = await applyStripeEvent(deps, event);
    if (applied.kind === "done") {
      log.info({ event: "stripe_event_handled", ...fields, effect: applied.effect });
      if (applied.effect === "linked") await requestSensorCount(deps.boss);
      return;
    }
    await endWithoutEffect(db, eventId, { state: "failed", error: applied.reason });
    log.error({ event: "stripe_event_failed", ...fields, reason: applied.reason });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    await recordFailure(db, eventId, { error: message, isStripesFault: isStripesFault(error) });
    throw new Error(`stripe event ${eventId} was not handled`, { cause: error });
  }
}
