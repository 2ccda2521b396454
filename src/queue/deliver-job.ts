import type { JobInsert, PgBoss } from "pg-boss";
import type { Trx } from "../database/db.ts";
import type { MeterEventKey } from "../usage/meter-event-key.ts";
import { type MeterName, meterNames } from "../usage/meters.ts";
import { insideTransaction } from "./boss.ts";
import { type DeliverJob, deliverQueueOf } from "./queues.ts";

/** pg-boss takes integers; this is the latest turn. */
const turnsMax = 100_000;

/** The turn of an event that must reach Stripe before an invoice is finalized. */
export const aheadOfAll = -turnsMax;

/** A meter event to be reminded of. */
export type Reminder = MeterEventKey & {
  meter: MeterName;
  stripeCustomerId: string;
  /** How many pending events of the same organization and meter are ahead of it; or `aheadOfAll`. */
  ahead: number;
  /** The trace that its delivery continues. */
  traceparent?: string | undefined;
};

/**
 * Sends the jobs that remind a worker to deliver these meter events, inside the transaction where one is given. An
 * event that has a job already gets no second one. Returns how many jobs were made.
 */
export async function remindToDeliver(
  boss: PgBoss,
  reminders: readonly Reminder[],
  trx?: Trx,
): Promise<number> {
  let made = 0;
  for (const meter of meterNames) {
    const jobs = reminders.filter((reminder) => reminder.meter === meter).map(deliverJob);
    if (jobs.length === 0) continue;
    const ids = await boss.insert(deliverQueueOf(meter), jobs, {
      returnId: true,
      ...(trx !== undefined && { db: insideTransaction(trx) }),
    });
    made += ids?.length ?? 0;
  }
  return made;
}

/**
 * - Its group is the customer and meter: Stripe allows one request at a time for each.
 * - Its priority is its turn within its organization, so that organizations take turns: the first events of all
 *   organizations go before all second ones.
 */
function deliverJob(reminder: Reminder): JobInsert<DeliverJob> {
  return {
    data: {
      organizationId: reminder.organizationId,
      meterEventId: reminder.meterEventId,
      ...(reminder.traceparent !== undefined && { traceparent: reminder.traceparent }),
    },
    singletonKey: reminder.meterEventId,
    priority: -Math.min(reminder.ahead, turnsMax),
    group: { id: `${reminder.stripeCustomerId}:${reminder.meter}` },
  };
}

/** Moves the waiting reminders of these meter events ahead of all others, and ends their backoff. */
export async function hurryReminders(
  boss: PgBoss,
  meter: MeterName,
  meterEventIds: readonly string[],
): Promise<void> {
  for (const id of meterEventIds) {
    await boss.update(deliverQueueOf(meter), undefined, {
      singletonKey: id,
      priority: -aheadOfAll,
      startAfter: 0,
    });
  }
}

/** Puts the waiting reminder of a meter event off for so many seconds. */
export async function putOffReminder(
  boss: PgBoss,
  meter: MeterName,
  { id, seconds }: { id: string; seconds: number },
): Promise<void> {
  await boss.update(deliverQueueOf(meter), undefined, { singletonKey: id, startAfter: seconds });
}
