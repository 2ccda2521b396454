import { sql } from "kysely";
import type { PgBoss } from "pg-boss";
import type { Db, Trx } from "../database/db.ts";
import { inTransaction } from "../database/in-transaction.ts";
import { storableJson, storableText } from "../database/storable.ts";
import { insideTransaction } from "../queue/boss.ts";
import { stripeEventsQueue } from "../queue/queues.ts";
import { listReminded } from "../queue/reminded.ts";
import { type StripeEvent, stripeEventSchema } from "./stripe-event.ts";

export const inboxStates = ["pending", "handled", "failed", "refused", "dismissed"] as const;
export type InboxState = (typeof inboxStates)[number];

/** Reminders re-created in one sweep. */
const remindersMax = 1_000;
/** The oldest pending events that one sweep compares with pg-boss's jobs: younger ones are handled after them anyway. */
const comparedMax = 100_000;

/** An event that a job is made for, and its subject: the customer, else the object, else the event's type. */
type EventReminder = { eventId: string; subject: string };

const reminder = sql<EventReminder>`
  event_id as "eventId",
  coalesce(
    nullif(left(coalesce(
      payload #>> '{data,object,customer,id}', payload #>> '{data,object,customer}',
      payload #>> '{data,object,id}', payload #>> '{related_object,id}'
    ), 255), ''),
    event_type
  ) as subject
`;

/**
 * Stores an event and its job, which continues the trace, in one transaction. An event that is stored already changes
 * nothing. Returns whether it is new.
 */
export async function storeStripeEvent(
  { db, boss }: { db: Db; boss: PgBoss },
  event: StripeEvent,
  { traceparent }: { traceparent?: string | undefined } = {},
): Promise<boolean> {
  // If we refused this event, Stripe would send it again for three days. The job must name the event in the same way.
  const eventId = storableText(event.id);
  return db.transaction().execute(async (trx) => {
    const stored = await sql<EventReminder>`
      insert into metering.stripe_events (event_id, event_type, livemode, payload)
      values (${eventId}, ${storableText(event.type)}, ${event.livemode}, ${storableJson(event)}::jsonb)
      on conflict do nothing
      returning ${reminder}
    `.execute(trx);
    if (stored.rows.length === 0) return false;
    await remindOfStripeEvents(boss, stored.rows, { trx, traceparent });
    return true;
  });
}

/** Sends the jobs that handle these events; an event that has one already keeps it. */
async function remindOfStripeEvents(
  boss: PgBoss,
  events: readonly EventReminder[],
  { trx, traceparent }: { trx?: Trx; traceparent?: string | undefined } = {},
): Promise<void> {
  if (events.length === 0) return;
  await boss.insert(
    stripeEventsQueue.name,
    events.map(({ eventId, subject }) => ({
      data: { eventId, ...(traceparent !== undefined && { traceparent }) },
      singletonKey: eventId,
      group: { id: subject },
    })),
    { returnId: false, ...(trx !== undefined && { db: insideTransaction(trx) }) },
  );
}

/**
 * Counts one more attempt at a pending event, in a commit of its own, and returns the event; undefined when it is not
 * pending any more.
 */
export async function beginHandling(
  db: Db,
  eventId: string,
): Promise<{ event: StripeEvent; attempts: number } | undefined> {
  const begun = await sql<{ payload: unknown; attempts: number }>`
    update metering.stripe_events set attempts = attempts + 1
    where event_id = ${eventId} and state = 'pending'
    returning payload, attempts
  `.execute(db);
  const [row] = begun.rows;
  return row === undefined
    ? undefined
    : { event: stripeEventSchema.parse(row.payload), attempts: row.attempts };
}

/** When an event was stored, to the microsecond. */
export async function readArrival(db: Db, eventId: string): Promise<string> {
  const arrived = await sql<{ at: string }>`
    select received_at::text as at from metering.stripe_events where event_id = ${eventId}
  `.execute(db);
  const [row] = arrived.rows;
  if (row === undefined) throw new Error(`the inbox has no event ${eventId}`);
  return row.at;
}

/** Marks an event handled, in the transaction of its effect. Returns false when another worker has handled it. */
export async function markHandled(trx: Trx, eventId: string): Promise<boolean> {
  const handled = await sql`
    update metering.stripe_events set state = 'handled', handled_at = now(), error = null
    where event_id = ${eventId} and state = 'pending'
    returning event_id
  `.execute(trx);
  return handled.rows.length > 0;
}

/** Ends an event without effect, with the reason. `failed` is the dead letter, which can be replayed. */
export async function endWithoutEffect(
  db: Db,
  eventId: string,
  { state, error }: { state: "failed" | "refused"; error: string },
): Promise<void> {
  await sql`
    update metering.stripe_events set state = ${state}, error = ${storableText(error)}
    where event_id = ${eventId} and state = 'pending'
  `.execute(db);
}

/** Records why an attempt failed. Without `counts` it is no attempt: Stripe, or a node of a cluster, could not answer. */
export async function recordFailure(
  db: Db,
  eventId: string,
  { error, counts }: { error: string; counts: boolean },
): Promise<void> {
  await sql`
    update metering.stripe_events
    set error = ${storableText(error)}, attempts = attempts - ${counts ? 0 : 1}
    where event_id = ${eventId} and state = 'pending'
  `.execute(db);
}

/** Gives a failed, refused or dismissed event another try. Returns false when it is none of them. */
export async function replayStripeEvent(
  { db, boss }: { db: Db; boss: PgBoss },
  eventId: string,
): Promise<boolean> {
  return inTransaction(db, async (trx) => {
    const replayed = await sql<EventReminder>`
      update metering.stripe_events
      set state = 'pending', attempts = 0, error = null, dismissed_at = null, dismissed_because = null
      where event_id = ${eventId} and state in ('failed', 'refused', 'dismissed')
      returning ${reminder}
    `.execute(trx);
    if (replayed.rows.length === 0) return false;
    await remindOfStripeEvents(boss, replayed.rows, { trx });
    return true;
  });
}

/** Puts a failed or refused event aside for good, for an operator's reason. Returns false when it is neither. */
export async function dismissStripeEvent(db: Db, eventId: string, reason: string): Promise<boolean> {
  const dismissed = await sql`
    update metering.stripe_events
    set state = 'dismissed', dismissed_at = now(), dismissed_because = ${storableText(reason)}
    where event_id = ${eventId} and state in ('failed', 'refused')
    returning event_id
  `.execute(db);
  return dismissed.rows.length > 0;
}

/** Reminds of pending events whose job is lost, by their own state. */
export async function sweepStripeEvents({ db, boss }: { db: Db; boss: PgBoss }): Promise<void> {
  const pending = await sql<{ event_id: string }>`
    select event_id from metering.stripe_events
    where state = 'pending' and received_at < now() - interval '1 minute'
    order by received_at
    limit ${comparedMax}
  `.execute(db);
  if (pending.rows.length === 0) return;
  const keys = pending.rows.map((row) => row.event_id);
  const reminded = await listReminded(db, { queue: stripeEventsQueue.name, keys });
  const lost = keys.filter((id) => !reminded.has(id));
  const reminders = await sql<EventReminder>`
    select ${reminder} from metering.stripe_events where event_id = any(${lost.slice(0, remindersMax)}::text[])
  `.execute(db);
  await remindOfStripeEvents(boss, reminders.rows);
}

/** Deletes events that Stripe cannot send again any more; 31 days are kept at least. Returns how many. */
export async function purgeStripeEvents(db: Db, { keptDays }: { keptDays: number }): Promise<number> {
  const purged = await sql<{ count: number }>`
    select metering.purge_stripe_events(${keptDays}::int)::float8 as count
  `.execute(db);
  return purged.rows[0]?.count ?? 0;
}
