import { sql } from "kysely";
import type { JobInsert, PgBoss } from "pg-boss";
import type { Trx } from "../database/db.ts";
import type { MeterEventKey } from "../usage/meter-event-key.ts";
import { type MeterName, meterNames } from "../usage/meters.ts";
import { insideTransaction } from "./boss.ts";
import { type DeliverJob, deliverQueueOf, type ShipmentJob, shipmentQueueOf } from "./queues.ts";

/** pg-boss takes integers; this is the latest turn. */
const turnsMax = 100_000;

/** The turn of an event that must reach Stripe before an invoice is finalized. */
export const aheadOfAll = -turnsMax;

/** The turn of an event that has failed: events that are sent for the first time do not wait for the many attempts at it. */
export const behindFirst = 1;

/** A meter event to be reminded of. */
export type Reminder = MeterEventKey & {
  meter: MeterName;
  stripeCustomerId: string;
  /** How many pending events of the same organization and meter are ahead of it; or `aheadOfAll`. */
  ahead: number;
  /** The trace that its delivery continues. */
  traceparent?: string | undefined;
  /** The job that reminds of it and of others; it gets a job of its own where there is none. */
  shipmentId?: string | null | undefined;
  /** When it is due, in seconds from now; now when left out. */
  afterSeconds?: number | undefined;
  /** The least pause after its next failed attempt, which grows from there; the queue's when left out. */
  retryDelaySeconds?: number | undefined;
};

/**
 * Sends the jobs that remind a worker to deliver these meter events, inside the transaction where one is given. An
 * event that has a job of its own already gets no second one. Returns how many events are reminded of by new jobs.
 */
export async function remindToDeliver(
  boss: PgBoss,
  reminders: readonly Reminder[],
  trx?: Trx,
): Promise<number> {
  let made = 0;
  for (const meter of meterNames) {
    const ofMeter = reminders.filter((reminder) => reminder.meter === meter);
    const alone = ofMeter.filter(({ shipmentId }) => (shipmentId ?? null) === null);
    made += (await insertJobs(boss, deliverQueueOf(meter), { jobs: alone.map(deliverJob), trx })).length;
    const shipments = Map.groupBy(ofMeter, ({ shipmentId }) => shipmentId ?? null);
    shipments.delete(null);
    const jobs = [...shipments].map(([id, events]) => shipmentJob(id, events));
    const shipped = await insertJobs(boss, shipmentQueueOf(meter), { jobs, trx });
    made += shipped.reduce((events, id) => events + (shipments.get(id)?.length ?? 0), 0);
  }
  return made;
}

async function insertJobs<T extends object>(
  boss: PgBoss,
  queue: string,
  { jobs, trx }: { jobs: readonly JobInsert<T>[]; trx: Trx | undefined },
): Promise<string[]> {
  if (jobs.length === 0) return [];
  const inserted = await boss.insert(queue, [...jobs], {
    returnId: true,
    ...(trx !== undefined && { db: insideTransaction(trx) }),
  });
  return inserted ?? [];
}

/** Its turn is the first turn among its events; each is another customer's. */
function shipmentJob(id: string | null, reminders: readonly Reminder[]): JobInsert<ShipmentJob> {
  return {
    ...(id !== null && { id }),
    data: { events: reminders.map(eventOf) },
    priority: -Math.min(turnsMax, ...reminders.map(({ ahead }) => ahead)),
    // One for all, so that pg-boss's index of the groups that are under way finds those that are.
    group: { id: "shipment" },
  };
}

function eventOf({ organizationId, meterEventId, traceparent }: Reminder): DeliverJob {
  return { organizationId, meterEventId, ...(traceparent !== undefined && { traceparent }) };
}

/**
 * - Its group is the customer and meter: Stripe allows one request at a time for each.
 * - Its priority is its turn within its organization, so that organizations take turns: the first events of all
 *   organizations go before all second ones.
 */
function deliverJob(reminder: Reminder): JobInsert<DeliverJob> {
  return {
    data: eventOf(reminder),
    singletonKey: reminder.meterEventId,
    priority: -Math.min(reminder.ahead, turnsMax),
    group: { id: `${reminder.stripeCustomerId}:${reminder.meter}` },
    ...(reminder.afterSeconds !== undefined && { startAfter: reminder.afterSeconds }),
    ...(reminder.retryDelaySeconds !== undefined && { retryDelay: reminder.retryDelaySeconds }),
  };
}

/** Gives the reminders of events that have failed their later turn; one that is hurried, or is later already, keeps its own. */
export async function moveBehindFirst(trx: Trx, meter: MeterName, jobIds: readonly string[]): Promise<void> {
  await sql`
    update pgboss.job set priority = ${-behindFirst}::integer
    where name = ${deliverQueueOf(meter)} and id = any(${jobIds}::uuid[]) and priority = 0
  `.execute(trx);
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
