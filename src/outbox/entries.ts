import { type RawBuilder, sql } from "kysely";
import type { Db } from "../database/db.ts";
import type { MeterEventKey } from "../usage/meter-event-key.ts";

export type Entry = {
  id: string;
  occurredAt: Date;
  quantity: number;
  /** The idempotency key of `record_usage`, while it is kept. */
  idempotencyKey: string | null;
};

/** The entries that a meter event folds, the oldest first; those of one that replaces another are that one's. */
export async function listEntriesOf(db: Db, event: MeterEventKey): Promise<Entry[]> {
  const entries = await sql<Entry>`
    select
      e.id, e.occurred_at as "occurredAt", e.quantity::float8 as quantity,
      (
        select k.idempotency_key
        from metering.usage_keys k
        where k.organization_id = e.organization_id and k.entry_id = e.id
        limit 1
      ) as "idempotencyKey"
    from metering.meter_outbox e
    where e.organization_id = ${event.organizationId} and e.meter_event_id = ${sealedEventOf(event)}
    order by e.occurred_at, e.id
  `.execute(db);
  return entries.rows;
}

/**
 * The event that the seal stamped entries with: the event itself or, when it replaces one that was in doubt, the first
 * of the chain of replacements.
 */
export function sealedEventOf(event: MeterEventKey): RawBuilder<string> {
  return sql`(
    with recursive chain as (
      select organization_id, id, replaces_id
      from metering.meter_events
      where organization_id = ${event.organizationId} and id = ${event.meterEventId}
      union all
      select e.organization_id, e.id, e.replaces_id
      from metering.meter_events e
      join chain c on e.organization_id = c.organization_id and e.id = c.replaces_id
    )
    select id from chain where replaces_id is null
  )`;
}
