import { sql } from "kysely";
import type { PgBoss } from "pg-boss";
import type { Db } from "../database/db.ts";
import { inTransaction } from "../database/in-transaction.ts";
import { chooseMeterEvents, matching, type MeterEventMatch } from "./match-meter-events.ts";
import { type Reminder, remindToDeliver } from "../queue/deliver-job.ts";
import { remindUnshipped } from "./remind-unshipped.ts";

/** Which of them; `id` names one. */
export type RetryMatch = Omit<MeterEventMatch, "state" | "ids"> & { id?: string | undefined };

/** The states that a retry concerns. */
export const retriedStates = ["rejected", "pending"] as const;
export type RetriedState = (typeof retriedStates)[number];

/** Events moved by one call; a call that moves this many is worth repeating. */
export const retriedMax = 10_000;

type Retried = Omit<Reminder, "meterEventId"> & { deliverId: string | null };

/**
 * Gives rejected meter events another try, with their jobs in the same transaction. Returns how many left `rejected`.
 *
 * - One that Stripe refused at once is sent again under its identifier.
 * - One that Stripe took and reported as failed afterwards is replaced by a new event: Stripe may call its identifier a
 *   duplicate although it billed nothing.
 * - One that Stripe may have counted and forgotten since goes to `in_doubt`.
 *
 * The rules are in the SQL function, because the API's database role may call it and may not write meter events.
 */
export async function retryRejected(
  { db, boss }: { db: Db; boss: PgBoss },
  match: RetryMatch,
): Promise<number> {
  return inTransaction(db, async (trx) => {
    const ids = await chooseMeterEvents(trx, matchOf("rejected", match), retriedMax);
    const { rows } = await sql<Retried>`
      select
        organization_id as "organizationId", deliver_id as "deliverId", meter,
        stripe_customer_id as "stripeCustomerId", ahead
      from metering.retry_rejected_events(${ids}::uuid[])
    `.execute(trx);
    const reminders = rows.flatMap(({ deliverId, ...event }) => {
      return deliverId === null ? [] : [{ ...event, meterEventId: deliverId }];
    });
    await remindToDeliver(boss, reminders, trx);
    return rows.length;
  });
}

/**
 * Makes pending meter events due now, unless a pause or their turn holds them, and reminds of them where the reminder
 * is lost. Returns how many are pending, `retriedMax` at most.
 */
export async function retryPending(
  { db, boss }: { db: Db; boss: PgBoss },
  match: RetryMatch,
): Promise<number> {
  return inTransaction(db, async (trx) => {
    const { rows } = await sql<Reminder>`
      select
        organization_id as "organizationId", id as "meterEventId", meter, stripe_customer_id as "stripeCustomerId",
        shipment_id as "shipmentId",
        (row_number() over (partition by organization_id, meter order by id) - 1)::int as ahead
      from metering.meter_events
      where ${matching(matchOf("pending", match))}
      order by ahead, id
      limit ${retriedMax}
    `.execute(trx);
    await sql`select metering.make_deliveries_due(${rows.map(({ meterEventId }) => meterEventId)}::uuid[])`.execute(
      trx,
    );
    await remindUnshipped({ db, boss, trx }, rows);
    return rows.length;
  });
}

/** Gives events in this state another try. Returns how many. */
export function retryMeterEvents(
  deps: { db: Db; boss: PgBoss },
  { state, ...match }: RetryMatch & { state: RetriedState },
): Promise<number> {
  switch (state) {
    case "rejected":
      return retryRejected(deps, match);
    case "pending":
      return retryPending(deps, match);
  }
}

function matchOf(state: RetriedState, { id, ...match }: RetryMatch): MeterEventMatch {
  return { ...match, state, ids: id === undefined ? undefined : [id] };
}
