import { type Kysely, sql } from "kysely";
import type { DB } from "../database/schema.ts";

export type Entry = { id: string; occurredAt: Date; quantity: number };

/** The entries that a meter event folds, the oldest first. */
export async function listEntriesOf(
  db: Kysely<DB>,
  event: { organizationId: string; meterEventId: string },
): Promise<Entry[]> {
  const entries = await sql<Entry>`
    select id, occurred_at as "occurredAt", quantity::float8 as quantity
    from metering.meter_outbox
    where organization_id = ${event.organizationId} and meter_event_id = ${event.meterEventId}
    order by occurred_at, id
  `.execute(db);
  return entries.rows;
}
