import { sql } from "kysely";
import type { Db } from "../database/db.ts";

/** The usage that `record_usage` wrote under an idempotency key. */
export type RecordedUsage = {
  organizationId: string;
  entryId: string;
  /** False when retention has dropped the entry. */
  isKept: boolean;
  /** The meter events that carry it, the newest first: several where one replaces another, none before the seal. */
  meterEventIds: string[];
};

type KeyFilter = { idempotencyKey: string; organizationId?: string | undefined };

/** A key belongs to an organization, so several organizations may have used the same key; at most so many are found. */
const organizationsMax = 100;

/** The usage that was recorded under a key. Reads one index entry for each organization. */
export async function findRecordedUsage(
  db: Db,
  { idempotencyKey, organizationId }: KeyFilter,
): Promise<RecordedUsage[]> {
  const recorded = await sql<RecordedUsage>`
    select
      o.id as "organizationId",
      k.entry_id as "entryId",
      e.id is not null as "isKept",
      coalesce(v.ids, '{}') as "meterEventIds"
    from metering.organizations o
    cross join lateral (
      select entry_id
      from metering.usage_keys
      where organization_id = o.id and idempotency_key = ${idempotencyKey}
      limit 1
    ) k
    left join metering.meter_outbox e
      on e.organization_id = o.id and e.occurred_at = metering.uuid_v7_time(k.entry_id) and e.id = k.entry_id
    left join lateral (
      select array_agg(id order by id desc) as ids from metering.versions_of(o.id, e.meter_event_id)
    ) v on true
    ${organizationId === undefined ? sql`` : sql`where o.id = ${organizationId}`}
    order by o.id
    limit ${organizationsMax}
  `.execute(db);
  return recorded.rows;
}
