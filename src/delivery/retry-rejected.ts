import { type Kysely, sql } from "kysely";
import type { PgBoss } from "pg-boss";
import type { DB } from "../database/schema.ts";
import { type Reminder, remindToDeliver } from "../queue/deliver-job.ts";
import { identifierSafeMs } from "./limits.ts";
import { replaceEvents } from "./replace-events.ts";

export type RejectedFilter = {
  id?: string | undefined;
  meter?: string | undefined;
  organizationId?: string | undefined;
};

/** Events moved by one call; a call that moves this many is worth repeating. */
export const retriedMax = 10_000;

/** Reasons of events whose identifier Stripe never took. All other reasons are those of Stripe's error reports. */
const untakenReasons = ["refused_by_stripe", "crashes_worker", "customer_deleted"];

/**
 * Gives rejected meter events another try, with their jobs in the same transaction. Returns how many left `rejected`.
 *
 * - One that Stripe refused at once is sent again under its identifier.
 * - One that Stripe took and reported as failed afterwards is replaced by a new event: Stripe may call its identifier a
 *   duplicate although it billed nothing.
 * - One that Stripe may have counted and forgotten since goes to `in_doubt`.
 */
export async function retryRejected(
  { db, boss }: { db: Kysely<DB>; boss: PgBoss },
  { id, meter, organizationId }: RejectedFilter,
): Promise<number> {
  return db.transaction().execute(async (trx) => {
    const retried = await sql<Reminder & { state: string }>`
      with chosen as materialized (
        select organization_id, id
        from metering.meter_events
        where state = 'rejected'
          ${id === undefined ? sql`` : sql`and id = ${id}`}
          ${meter === undefined ? sql`` : sql`and meter = ${meter}`}
          ${organizationId === undefined ? sql`` : sql`and organization_id = ${organizationId}`}
        order by id
        limit ${retriedMax}
        for update
      ),
      turns as (
        select organization_id, id, row_number() over (partition by organization_id order by id) - 1 as ahead
        from chosen
      )
      update metering.meter_events m
      set
        state = case
          when m.reason <> all(${untakenReasons}) then 'superseded'
          when m.first_unknown_at <= now() - make_interval(secs => ${identifierSafeMs / 1_000}) then 'in_doubt'
          else 'pending'
        end,
        reason = 'retried_by_operator',
        attempts_finished = m.attempts_started
      from turns c
      where m.organization_id = c.organization_id and m.id = c.id
      returning
        m.organization_id as "organizationId", m.id as "meterEventId", m.meter,
        m.stripe_customer_id as "stripeCustomerId", m.state, c.ahead::int as ahead
    `.execute(trx);
    const inState = (state: string) => retried.rows.filter((event) => event.state === state);
    await remindToDeliver(boss, inState("pending"), trx);
    await replaceEvents(
      { trx, boss },
      inState("superseded").map(({ meterEventId }) => meterEventId),
    );
    return retried.rows.length;
  });
}
