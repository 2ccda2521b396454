import type { Kysely } from "kysely";
import type { PgBoss } from "pg-boss";
import type { DB } from "../database/schema.ts";
import type { Log } from "../log.ts";
import { httpStatusOf, requestIdOf } from "../stripe/answer.ts";
import { traceFields } from "../tracing/tracer.ts";
import { type FinishedAttempt, settleAttempts } from "./settle.ts";
import { type DeliveryWatch, unwatched } from "./watch.ts";

export type Settler = {
  /** Resolves once the attempt is recorded. */
  settle: (finished: FinishedAttempt) => Promise<void>;
};

/** Attempts settled in one transaction at most. */
const batchMax = 500;
const retryAfterMs = 500;

/**
 * Settles attempts as they end. Those that end while a transaction is under way share the next one, so an attempt
 * waits for one transaction at most. While the database is away their outcomes are kept and tried again.
 */
export function createSettler(
  deps: { db: Kysely<DB>; boss: PgBoss; log: Log },
  watch: DeliveryWatch = unwatched,
): Settler {
  let waiting: { finished: FinishedAttempt; resolve: () => void }[] = [];
  let isSettling = false;

  async function settleWaiting(): Promise<void> {
    isSettling = true;
    while (waiting.length > 0) {
      const batch = waiting.slice(0, batchMax);
      const isSettled = await trySettle(
        deps,
        batch.map(({ finished }) => finished),
        watch,
      );
      if (!isSettled) {
        // A process that ends without its database leaves these attempts to the next: it must not wait for ever.
        await new Promise((resolve) => setTimeout(resolve, retryAfterMs).unref());
        continue;
      }
      waiting = waiting.slice(batch.length);
      for (const { resolve } of batch) resolve();
    }
    isSettling = false;
  }

  return {
    settle: (finished) =>
      new Promise((resolve) => {
        waiting.push({ finished, resolve });
        if (!isSettling) void settleWaiting();
      }),
  };
}

async function trySettle(
  { db, boss, log }: { db: Kysely<DB>; boss: PgBoss; log: Log },
  batch: readonly FinishedAttempt[],
  watch: DeliveryWatch,
): Promise<boolean> {
  try {
    log.debug({ event: "attempts_settling", count: batch.length });
    const settled = await settleAttempts({ db, boss }, batch);
    logSettled(log, batch, settled);
    watch.onSettled(batch.filter(({ attempt }) => settled.has(attempt.meterEventId)));
    return true;
  } catch (error) {
    log.error({ event: "settle_failed", count: batch.length, error });
    return false;
  }
}

function logSettled(log: Log, batch: readonly FinishedAttempt[], settled: ReadonlySet<string>): void {
  for (const { attempt, verdict, outcome, answer, durationMs, traceparent } of batch) {
    const fields = {
      organization_id: attempt.organizationId,
      meter_event_id: attempt.meterEventId,
      meter: attempt.meter,
      attempt: attempt.attempt,
      state: outcome.state,
      reason: outcome.reason,
      duration_ms: Math.round(durationMs),
      ...(answer.kind !== "no_answer" && {
        http_status: httpStatusOf(answer),
        stripe_request_id: requestIdOf(answer),
      }),
      ...traceFields(traceparent),
    };
    if (!settled.has(attempt.meterEventId)) log.warn({ event: "settle_overtaken", ...fields });
    else if (outcome.state === "delivered") log.debug({ event: "meter_event_delivered", ...fields });
    else log.warn({ event: "meter_event_not_delivered", verdict: verdict.kind, ...fields });
  }
}
