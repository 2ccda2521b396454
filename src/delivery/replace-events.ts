import { sql, type Transaction } from "kysely";
import type { PgBoss } from "pg-boss";
import type { DB } from "../database/schema.ts";
import { type Reminder, remindToDeliver } from "../queue/deliver-job.ts";

/**
 * Makes a new meter event for each of these, with the same usage and an identifier of its own, and its job. The
 * replaced ones are superseded by the caller, in the same transaction. Returns the new ids.
 */
export async function replaceEvents(
  { trx, boss }: { trx: Transaction<DB>; boss: PgBoss },
  ids: readonly string[],
): Promise<string[]> {
  if (ids.length === 0) return [];
  const made = await sql<Reminder>`
    insert into metering.meter_events (
      organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, replaces_id
    )
    select
      organization_id, metering.uuid_v7(clock_timestamp()), meter, hour, quantity, event_at, entries,
      stripe_customer_id, id
    from metering.meter_events
    where id = any(${ids}::uuid[])
    returning
      organization_id as "organizationId", id as "meterEventId", meter, stripe_customer_id as "stripeCustomerId",
      0 as ahead
  `.execute(trx);
  await remindToDeliver(boss, made.rows, trx);
  return made.rows.map(({ meterEventId }) => meterEventId);
}
