import { type Kysely, sql } from "kysely";
import type { DB } from "../database/schema.ts";

export type Entry = { id: string; occurredAt: Date; quantity: number };

/**
 * The entries that a meter event folds, the oldest first. One that replaces an event in doubt has that event's: the
 * chain of replacements is followed to the event that was sealed.
 */
export async function listEntriesOf(
  db: Kysely<DB>,
  event: { organizationId: string; meterEventId: string },
): Promise<Entry[]> {
  const entries = await sql<Entry>`
    with recursive chain as (
      select organization_id, id, replaces_id
      from metering.meter_events
      where organization_id = ${event.organizationId} and id = ${event.meterEventId}
      union all
      select e.organization_id, e.id, e.replaces_id
      from metering.meter_events e
      join chain c on e.organization_id = c.organization_id and e.id = c.replaces_id
    )
    select e.id, e.occurred_at as "occurredAt", e.quantity::float8 as quantity
    from metering.meter_outbox e
    where e.organization_id = ${event.organizationId}
      and e.meter_event_id = (select id from chain where replaces_id is null)
    order by e.occurred_at, e.id
  `.execute(db);
  return entries.rows;
}
