import { sql } from "kysely";
import type { Job, PgBoss } from "pg-boss";
import { anyArrayLiteral, arrayLiteral } from "../database/array-literal.ts";
import { keptPlan } from "../database/keep-plans.ts";
import { isOfKey, onKeys, transactionOnKeys } from "../database/one-plan.ts";
import { namesOrganizations } from "../database/by-shard.ts";
import type { Db, Trx } from "../database/db.ts";
import { storableText } from "../database/storable.ts";
import { insideTransaction } from "../queue/boss.ts";
import { behindFirst, moveBehindFirst, type Reminder, remindToDeliver } from "../queue/deliver-job.ts";
import { deliverQueueOf } from "../queue/queues.ts";
import { requestIdOf, type StripeAnswer } from "../stripe/answer.ts";
import { type MeterName, meterNames } from "../usage/meters.ts";
import type { Attempt } from "./begin-attempts.ts";
import { distinctEndings, type Ending } from "./endings.ts";
import type { Outcome } from "./outcome.ts";
import type { Verdict } from "./verdict.ts";

/** An attempt that ended, with everything that is to be recorded of it. */
export type FinishedAttempt = {
  attempt: Attempt;
  /** Its own job's id, and its number of this try: pg-boss fences by both. None where the event came with a shipment. */
  job?: Pick<Job, "id" | "retryCount"> | undefined;
  /** The attempt's span. The log names it, and the next job continues it. */
  traceparent?: string | undefined;
  durationMs: number;
  answer: StripeAnswer;
  verdict: Verdict;
  outcome: Outcome;
};

/** The shortest and the longest pause after a failed attempt, in whole seconds. */
export type Backoff = { retryDelay: number; retryDelayMax: number };
const usualBackoff: Backoff = { retryDelay: 5, retryDelayMax: 900 };

type SettleDeps = { db: Db; boss: PgBoss; isOneShard?: boolean; backoff?: Backoff | undefined };

/**
 * Records how attempts ended, and deletes or puts off their jobs, in one transaction: of one statement where there are no
 * jobs to end or to make. Fenced: where a later attempt has begun, or the event is settled already, nothing of the event
 * changes. Returns the ids of the events that changed.
 */
export async function settleAttempts(
  { db, boss, isOneShard = false, backoff = usualBackoff }: SettleDeps,
  finished: readonly FinishedAttempt[],
): Promise<Set<string>> {
  if (finished.every(hasNoJob)) return onKeys(db, (one) => recordOutcomes(one, finished, isOneShard));
  return transactionOnKeys(db, async (trx) => {
    const settled = await recordOutcomes(trx, finished, isOneShard);
    for (const meter of meterNames) {
      const ofMeter = finished.filter(({ attempt }) => attempt.meter === meter);
      await endJobs({ trx, boss }, meter, ofMeter);
      const shipped = ofMeter.filter(
        ({ job, attempt }) => job === undefined && settled.has(attempt.meterEventId),
      );
      await remindOfShipped({ trx, boss }, shipped, backoff);
    }
    return settled;
  });
}

function hasNoJob({ job, outcome }: FinishedAttempt): boolean {
  return job === undefined && outcome.state !== "pending";
}

async function endJobs(
  { trx, boss }: { trx: Trx; boss: PgBoss },
  meter: MeterName,
  finished: readonly FinishedAttempt[],
): Promise<void> {
  const queue = deliverQueueOf(meter);
  const inTransaction = { db: insideTransaction(trx) };
  const jobsOf = (some: readonly FinishedAttempt[]) =>
    some.flatMap(({ job }) => (job === undefined ? [] : [job]));
  // pg-boss puts a failed job off: exponentially longer each time, with jitter.
  const putOff = jobsOf(finished.filter(isPutOff));
  if (putOff.length > 0) {
    await boss.fail(queue, putOff, null, inTransaction);
    await moveBehindFirst(
      trx,
      meter,
      putOff.map(({ id }) => id),
    );
  }
  const done = finished.filter((one) => one.job !== undefined && !isPutOff(one));
  if (done.length === 0) return;
  // Deleted, not completed: the attempts tell what happened, and no row stays whose deletion costs as much again.
  await boss.deleteJob(queue, jobsOf(done), inTransaction);
  const waitForPause = done.filter(({ outcome }) => outcome.state === "pending");
  await remindToDeliver(boss, waitForPause.map(reminderOf), trx);
}

/** An event that came with a shipment and is to be sent again gets a reminder of its own, which pg-boss puts off from then on. */
async function remindOfShipped(
  { trx, boss }: { trx: Trx; boss: PgBoss },
  shipped: readonly FinishedAttempt[],
  { retryDelay, retryDelayMax }: Backoff,
): Promise<void> {
  const again = shipped.filter(({ outcome }) => outcome.state === "pending");
  const reminders = again.map((one) => {
    if (!isPutOff(one)) return reminderOf(one);
    // As pg-boss does with a job that failed for the first time; the next pause is twice as long.
    const afterSeconds = Math.min(retryDelayMax, retryDelay * (1 + Math.random()));
    const retryDelaySeconds = Math.min(retryDelayMax, 2 * retryDelay);
    return { ...reminderOf(one), ahead: behindFirst, afterSeconds, retryDelaySeconds };
  });
  await remindToDeliver(boss, reminders, trx);
}

function isPutOff({ outcome }: FinishedAttempt): boolean {
  return outcome.state === "pending" && outcome.again === "after_backoff";
}

function reminderOf({ attempt, traceparent }: FinishedAttempt): Reminder {
  return { ...attempt, traceparent, ahead: 0 };
}

async function recordOutcomes(
  db: Db,
  finished: readonly FinishedAttempt[],
  isOneShard: boolean,
): Promise<Set<string>> {
  const organizations = finished.map(({ attempt }) => attempt);
  const inShard = namesOrganizations({ organizations, isOneShard });
  const words = (read: (one: FinishedAttempt) => string | number) => arrayLiteral(finished.map(read));
  const requestIds = anyArrayLiteral(finished.map(({ answer }) => requestIdStored(answer)));
  const { endings, places } = distinctEndings(finished);
  const ending = (name: keyof Ending) => anyArrayLiteral(endings.map((one) => one[name]));
  const recorded = await sql<{ meter_event_id: string }>`
    ${keptPlan({ isOneShard })}
    with i as materialized (
      select
        u.organization_id, u.id, u.attempt, u.duration_ms, u.stripe_request_id, now() as at,
        -- The states as values: by the index of all that is pending, the whole backlog would be compared with each attempt.
        'pending' as was,
        (${ending("orWas")}::text[])[u.place] as or_was,
        (${ending("state")}::text[])[u.place] as state,
        (${ending("reason")}::text[])[u.place] as reason,
        (${ending("isCertainlyNotCounted")}::boolean[])[u.place] as is_certainly_not_counted,
        (${ending("verdict")}::text[])[u.place] as verdict,
        (${ending("httpStatus")}::int[])[u.place] as http_status,
        (${ending("code")}::text[])[u.place] as code,
        (${ending("message")}::text[])[u.place] as message
      from unnest(
        ${words((one) => one.attempt.organizationId)}::uuid[],
        ${words((one) => one.attempt.meterEventId)}::uuid[],
        ${words((one) => one.attempt.attempt)}::int[],
        ${words((one) => Math.round(one.durationMs))}::int[],
        ${requestIds}::text[],
        ${arrayLiteral(places)}::int[]
      ) as u (organization_id, id, attempt, duration_ms, stripe_request_id, place)
      -- In one order for all, so that a worker that overslept and the one that overtook it never deadlock: rows are
      -- locked as this list gives them.
      order by u.organization_id, u.id
    ),
    settled as (
      update metering.meter_events m
      set
        state = i.state,
        reason = i.reason,
        last_error = case when i.state = 'delivered' then m.last_error else i.message end,
        -- Attempts that were lost with their workers end here too: what counts is how many in a row never ended.
        attempts_finished = m.attempts_started,
        first_unknown_at = case
          when i.is_certainly_not_counted and m.first_unknown_at = m.last_attempt_at then null
          else m.first_unknown_at
        end,
        delivered_at = case when i.state = 'delivered' then i.at end
      from i
      where ${isOfKey("m", "i")}
        and m.attempts_started = i.attempt
        -- Settled once: this may be the second try of a transaction whose commit went through unheard.
        and m.attempts_finished < i.attempt
        and (m.state = i.was or m.state = i.or_was) ${inShard("m")}
      returning
        -- The last attempt is this one, since no other has begun.
        i.organization_id, i.id, i.attempt, m.last_attempt_at, i.duration_ms, i.verdict, i.http_status, i.code,
        i.message, i.stripe_request_id
    )
    insert into metering.delivery_attempts (
      organization_id, meter_event_id, attempt, started_at, duration_ms, verdict, http_status, code, message,
      stripe_request_id
    )
    select * from settled
    returning meter_event_id
  `.execute(db);
  return new Set(recorded.rows.map((row) => row.meter_event_id));
}

function requestIdStored(answer: StripeAnswer): string | null {
  const id = requestIdOf(answer);
  return id === null ? null : storableText(id);
}
