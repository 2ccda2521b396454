import { type Kysely, sql, type Transaction } from "kysely";
import type { PgBoss } from "pg-boss";
import type { DB } from "../database/schema.ts";
import { type Reminder, remindToDeliver } from "../queue/deliver-job.ts";
import { eventAgeMsMax } from "./limits.ts";

export type Resolution = { resolution: "delivered" | "not_delivered"; reason: string };

/** What became of the event; `replacedBy` is the event that sends its usage again, under an identifier of its own. */
export type Resolved =
  | { state: "delivered" | "expired"; replacedBy: null }
  | { state: "superseded"; replacedBy: string };

/**
 * Records what an operator found out about an event in doubt. Delivered: it is. Not delivered: a new meter event sends
 * the same usage, since Stripe may have forgotten the identifier, and the old one keeps its history; or, when Stripe
 * would refuse its age, it is expired. Returns undefined when the event is not in doubt.
 */
export async function resolveMeterEvent(
  { db, boss }: { db: Kysely<DB>; boss: PgBoss },
  id: string,
  { resolution, reason }: Resolution,
): Promise<Resolved | undefined> {
  return db.transaction().execute(async (trx) => {
    const resolved = await sql<{ state: Resolved["state"] }>`
      update metering.meter_events
      set
        state = case
          when ${resolution} = 'delivered' then 'delivered'
          when event_at <= now() - make_interval(secs => ${eventAgeMsMax / 1_000}) then 'expired'
          else 'superseded'
        end,
        reason = ${`resolved_${resolution}`},
        resolved_at = now(),
        resolution_reason = ${reason},
        delivered_at = case when ${resolution} = 'delivered' then now() end
      where id = ${id} and state = 'in_doubt'
      returning state
    `.execute(trx);
    const state = resolved.rows[0]?.state;
    if (state === undefined) return undefined;
    if (state !== "superseded") return { state, replacedBy: null };
    return { state, replacedBy: await replace({ trx, boss }, id) };
  });
}

async function replace({ trx, boss }: { trx: Transaction<DB>; boss: PgBoss }, id: string): Promise<string> {
  const made = await sql<Reminder>`
    insert into metering.meter_events (
      organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, replaces_id
    )
    select
      organization_id, metering.uuid_v7(clock_timestamp()), meter, hour, quantity, event_at, entries,
      stripe_customer_id, id
    from metering.meter_events
    where id = ${id}
    returning
      organization_id as "organizationId", id as "meterEventId", meter, stripe_customer_id as "stripeCustomerId",
      0 as ahead
  `.execute(trx);
  const [replacement] = made.rows;
  if (replacement === undefined) throw new Error(`meter event ${id} was not replaced`);
  await remindToDeliver(boss, made.rows, trx);
  return replacement.meterEventId;
}
