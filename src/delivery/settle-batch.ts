import { messageOf } from "../process/message-of.ts";
import { sql } from "kysely";
import type { PgBoss } from "pg-boss";
import { isDatabaseUnavailable } from "../database/database-unavailable.ts";
import type { Db } from "../database/db.ts";
import { onEachShard } from "../database/each-shard.ts";
import type { Shards } from "../database/shards.ts";
import { storableText } from "../database/storable.ts";
import type { Log } from "../log.ts";
import { httpStatusOf, requestIdOf } from "../stripe/answer.ts";
import { traceFields } from "../tracing/tracer.ts";
import { type Backoff, type FinishedAttempt, settleAttempts } from "./settle.ts";
import type { DeliveryWatch } from "./watch.ts";

type Deps = {
  db: Db;
  boss: PgBoss;
  log: Log;
  watch: DeliveryWatch;
  /** Of a cluster: what cannot be reached on one node holds up no other. */
  shards?: Shards | undefined;
  backoff?: Backoff | undefined;
};
type ShardDeps = Deps & { isOneShard?: boolean };

/**
 * Settles attempts in one transaction. Returns the attempts that are not settled because the database cannot be
 * reached. Where it refuses them, they are settled in halves until the refused one is alone: that one is recorded
 * without its answer's words, or else reported, and holds up no other.
 */
export async function settleBatch(
  deps: Deps,
  batch: readonly FinishedAttempt[],
): Promise<readonly FinishedAttempt[]> {
  const { done, failed, errors } = await onEachShard(deps.shards, batch, {
    keyOf: ({ attempt }) => attempt,
    work: (group, isOneShard) => settleOfShard({ ...deps, isOneShard }, group),
  }).catch((error: unknown) => ({ done: [], failed: batch, errors: [error] }));
  if (failed.length > 0) reportFailure(deps, failed, errors[0]);
  return [...done.flat(), ...failed];
}

/** Throws where nothing of the batch is settled, and not because of its rows. */
async function settleOfShard(
  deps: ShardDeps,
  batch: readonly FinishedAttempt[],
): Promise<readonly FinishedAttempt[]> {
  try {
    await settleTogether(deps, batch);
    return [];
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const [first] = batch;
    if (first !== undefined && batch.length === 1) return settleAlone(deps, first);
    const middle = Math.ceil(batch.length / 2);
    const left = await settleHalf(deps, batch.slice(0, middle));
    return [...left, ...(await settleHalf(deps, batch.slice(middle)))];
  }
}

async function settleHalf(
  deps: ShardDeps,
  half: readonly FinishedAttempt[],
): Promise<readonly FinishedAttempt[]> {
  try {
    return await settleOfShard(deps, half);
  } catch (error) {
    reportFailure(deps, half, error);
    return half;
  }
}

async function settleTogether(deps: ShardDeps, batch: readonly FinishedAttempt[]): Promise<void> {
  deps.log.debug({ event: "attempts_settling", count: batch.length });
  const settled = await settleAttempts(deps, batch);
  logSettled(deps.log, batch, settled);
  deps.watch.onSettled(batch.filter(({ attempt }) => settled.has(attempt.meterEventId)));
}

async function settleAlone(deps: ShardDeps, refused: FinishedAttempt): Promise<readonly FinishedAttempt[]> {
  try {
    await settleTogether(deps, [withoutWords(refused)]);
    return [];
  } catch (error) {
    if (!isRefusal(error)) {
      reportFailure(deps, [refused], error);
      return [refused];
    }
    await reportRefused(deps, refused, error);
    return [];
  }
}

function reportFailure({ log, watch }: Deps, batch: readonly FinishedAttempt[], error: unknown): void {
  watch.onFailed();
  log.error({ event: "settle_failed", count: batch.length, error });
}

/** The attempt with only the kind and status of its answer: the rest may be what Postgres cannot store. */
function withoutWords(finished: FinishedAttempt): FinishedAttempt {
  const { answer } = finished;
  const message = "the database refused to store what was answered";
  switch (answer.kind) {
    case "success":
      return { ...finished, answer: { ...answer, requestId: null } };
    case "error":
      return { ...finished, answer: { ...answer, message, code: null, requestId: null } };
    case "no_answer":
      return { ...finished, answer: { ...answer, message, code: null } };
    case "foreign":
      return { ...finished, answer: { ...answer, message } };
  }
}

// The attempt stays unsettled: its lease ends, and another attempt under the same identifier follows.
async function reportRefused(deps: Deps, finished: FinishedAttempt, error: unknown): Promise<void> {
  deps.log.error({ event: "settle_refused", ...fieldsOf(finished), error });
  deps.watch.onRefused(finished);
  const { attempt, outcome } = finished;
  const lastError = `attempt ${attempt.attempt} ended ${outcome.state} (${outcome.reason}), which the database refused to record: ${messageOf(error)}`;
  try {
    await sql`
      update metering.meter_events set last_error = ${storableText(lastError)}
      where organization_id = ${attempt.organizationId} and id = ${attempt.meterEventId}
        and state = 'pending' and attempts_started = ${attempt.attempt}
    `.execute(deps.db);
  } catch (markingError) {
    deps.log.error({ event: "settle_refusal_unmarked", ...fieldsOf(finished), error: markingError });
  }
}

/**
 * Errors of Postgres about the rows themselves: wrong data, a broken rule, a trigger's refusal, a damaged page. Every
 * other error (no connection, no right, no table, a lock, no space) concerns all rows, and passes. A cluster tells a node
 * that it lost as an internal error, too.
 */
const refusals = /^(?:22|23|27|38|39|44|54|P0|XX)\w{3}$/;

function isRefusal(error: unknown): boolean {
  if (error instanceof TypeError || error instanceof RangeError) return true;
  if (isDatabaseUnavailable(error)) return false;
  return error instanceof Error && "code" in error && refusals.test(String(error.code));
}

function logSettled(log: Log, batch: readonly FinishedAttempt[], settled: ReadonlySet<string>): void {
  for (const finished of batch) {
    const { attempt, verdict, outcome } = finished;
    const fields = fieldsOf(finished);
    if (!settled.has(attempt.meterEventId)) log.warn({ event: "settle_overtaken", ...fields });
    else if (outcome.state === "delivered") log.debug({ event: "meter_event_delivered", ...fields });
    else log.warn({ event: "meter_event_not_delivered", verdict: verdict.kind, ...fields });
  }
}

function fieldsOf({ attempt, outcome, answer, durationMs, traceparent }: FinishedAttempt) {
  const httpStatus = httpStatusOf(answer);
  return {
    organization_id: attempt.organizationId,
    meter_event_id: attempt.meterEventId,
    meter: attempt.meter,
    attempt: attempt.attempt,
    state: outcome.state,
    reason: outcome.reason,
    duration_ms: Math.round(durationMs),
    ...(httpStatus !== null && { http_status: httpStatus, stripe_request_id: requestIdOf(answer) }),
    ...traceFields(traceparent),
  };
}
