import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import type { MeterEventKey } from "../usage/meter-event-key.ts";
import { sealedEventsOf } from "./versions.ts";

export type Entry = {
  id: string;
  occurredAt: Date;
  quantity: number;
  /** The idempotency key of `record_usage`, while it is kept. */
  idempotencyKey: string | null;
};

/** The entries that a meter event folds, the oldest first; those of one that replaces others are theirs. */
export async function listEntriesOf(db: Db, event: MeterEventKey): Promise<Entry[]> {
  const entries = await sql<Entry>`
    select
      e.id, e.occurred_at as "occurredAt", e.quantity::float8 as quantity,
      (
        select k.idempotency_key
        from metering.usage_keys k
        where k.organization_id = ${event.organizationId} and k.entry_id = e.id
        limit 1
      ) as "idempotencyKey"
    from metering.meter_outbox e
    where e.organization_id = ${event.organizationId} and e.meter_event_id in ${sealedEventsOf(event)}
    order by e.occurred_at, e.id
  `.execute(db);
  return entries.rows;
}
