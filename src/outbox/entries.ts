import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import { isSealedInto, type SealedEvents } from "./sealed-events.ts";

export type Entry = {
  id: string;
  occurredAt: Date;
  quantity: number;
  /** The idempotency key of `record_usage`, while it is kept. */
  idempotencyKey: string | null;
};

/** An hour may have a hundred thousand; the event says how many. */
const entriesListedMax = 10_000;

/** The entries that these events fold, the oldest ten thousand of them, in order. */
export async function listEntriesOf(db: Db, sealed: SealedEvents): Promise<Entry[]> {
  const entries = await sql<Entry>`
    select
      e.id, e.occurred_at as "occurredAt", e.quantity::float8 as quantity,
      (
        select k.idempotency_key
        from metering.usage_keys k
        where k.organization_id = ${sealed.organizationId} and k.entry_id = e.id
        limit 1
      ) as "idempotencyKey"
    from metering.meter_outbox e
    where ${isSealedInto(sealed)}
    order by e.occurred_at, e.id
    limit ${entriesListedMax}
  `.execute(db);
  return entries.rows;
}
