import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import { versionsOf } from "./versions.ts";

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
  const isMeant =
    organizationId === undefined
      ? // As a list, so that no plan reads the keys of all organizations from end to end.
        sql`any(array(select id from metering.organizations))`
      : sql`${organizationId}`;
  const keys = await sql<RecordedKey>`
    select organization_id as "organizationId", entry_id as "entryId"
    from metering.usage_keys
    where organization_id = ${isMeant} and idempotency_key = ${idempotencyKey}
    order by organization_id
    limit ${organizationsMax}
  `.execute(db);
  const recorded: RecordedUsage[] = [];
  for (const key of keys.rows) recorded.push(await withEvents(db, key));
  return recorded;
}

type RecordedKey = Pick<RecordedUsage, "organizationId" | "entryId">;

async function withEvents(db: Db, key: RecordedKey): Promise<RecordedUsage> {
  const { organizationId, entryId } = key;
  const found = await sql<{ meterEventIds: string[] }>`
    select coalesce(v.ids, '{}') as "meterEventIds"
    from metering.meter_outbox e
    left join lateral (
      select array_agg(id order by id desc) as ids
      from ${versionsOf(sql`${organizationId}::uuid`, sql`e.meter_event_id`)} version
    ) v on true
    where e.organization_id = ${organizationId} and e.occurred_at = metering.uuid_v7_time(${entryId}) and e.id = ${entryId}
  `.execute(db);
  const [entry] = found.rows;
  return { ...key, isKept: entry !== undefined, meterEventIds: entry?.meterEventIds ?? [] };
}
