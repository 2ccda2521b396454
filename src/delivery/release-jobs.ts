import type { Job } from "pg-boss";
import { putOffReminder, remindToDeliver } from "../queue/deliver-job.ts";
import { deliverQueueOf } from "../queue/queues.ts";
import type { MeterName } from "../usage/meters.ts";
import { insideTransaction } from "../queue/boss.ts";
import type { BeginOptions } from "./begin-attempts.ts";
import type { Due } from "./begin-due.ts";
import { type PendingDue, readPending } from "./read-pending.ts";
import type { TakeDeps } from "./take-deps.ts";

type JobOfEvent = Due & { job: Pick<Job, "id" | "retryCount"> };
type Release = Pick<BeginOptions, "sendableUntil"> & {
  jobs: readonly JobOfEvent[];
  /** Those of them that wait for another event of their customer. */
  busy: readonly JobOfEvent[];
  /** Jobs among them whose event waits until no other last attempt is under way. */
  alone: readonly JobOfEvent[];
};

/** When an event is tried again that waits for another one of its customer. */
const busySeconds = 1;
/** An event ahead of Stripe's clock waits so long at a time: what is known of that clock may have been wrong. */
const aheadSecondsMax = 60;
/** Events that go alone are tried again one after the other, so far apart. */
const aloneSecondsApart = 0.05;

/**
 * Gives back jobs whose event may not be sent now. The reminder of a pending event is put off; that of an event ahead
 * of Stripe's clock until Stripe would take it, for a minute at most; that of an event whose customer has another one
 * under way for a second. Events whose last attempt waits are put off one after the other. The backoff of both begins anew. The other
 * jobs have done their work.
 */
export async function releaseJobs(
  deps: TakeDeps,
  meter: MeterName,
  { jobs, busy, alone, sendableUntil }: Release,
): Promise<void> {
  const { boss, log } = deps;
  const { pending, unread } = await readPending(deps, { due: jobs, sendableUntil });
  const pendingOf = ({ key }: JobOfEvent) => pending.get(key.meterEventId);
  const secondsOf = new Map([
    ...busy.map((one) => [one, busySeconds] as const),
    ...alone.map((one, place) => [one, busySeconds + place * aloneSecondsApart] as const),
  ]);
  const waiting = new Map([...secondsOf].filter(([one]) => pendingOf(one) !== undefined));
  const isUnread = new Set(unread);
  const others = jobs.filter((one) => !waiting.has(one));
  // What cannot be read is put off.
  const isPutOff = (one: JobOfEvent) => isUnread.has(one) || pendingOf(one) !== undefined;
  const putOff = others.filter(isPutOff).map(attemptOf);
  const done = others.filter((one) => !isPutOff(one)).map(attemptOf);
  if (putOff.length > 0) await boss.fail(deliverQueueOf(meter), putOff);
  if (done.length > 0) await boss.deleteJob(deliverQueueOf(meter), done);
  if (waiting.size > 0) await waitForOthers(deps, meter, { waiting, pendingOf });
  const early = [...pending.values()].filter(({ aheadSeconds }) => aheadSeconds > 0);
  if (early.length === 0) return;
  for (const { meterEventId: id, aheadSeconds } of early) {
    await putOffReminder(boss, meter, { id, seconds: Math.min(aheadSeconds, aheadSecondsMax) });
  }
  const waitSeconds = Math.max(...early.map(({ aheadSeconds }) => aheadSeconds));
  log.warn({ event: "usage_ahead_of_stripe", meter, count: early.length, wait_seconds: waitSeconds });
}

function attemptOf({ job: { id, retryCount } }: JobOfEvent) {
  return { id, retryCount };
}

async function waitForOthers(
  { db, boss }: TakeDeps,
  meter: MeterName,
  {
    waiting,
    pendingOf,
  }: { waiting: ReadonlyMap<JobOfEvent, number>; pendingOf: (one: JobOfEvent) => PendingDue | undefined },
): Promise<void> {
  const reminders = [...waiting].flatMap(([one, afterSeconds]) => {
    const pending = pendingOf(one);
    if (pending === undefined) return [];
    return [{ ...pending, traceparent: one.traceparent, afterSeconds }];
  });
  await db.transaction().execute(async (trx) => {
    await boss.deleteJob(deliverQueueOf(meter), [...waiting.keys()].map(attemptOf), {
      db: insideTransaction(trx),
    });
    await remindToDeliver(boss, reminders, trx);
  });
}
