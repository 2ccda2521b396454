import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import { exactInstant } from "../database/exact-instant.ts";
import { latestVersion } from "./versions.ts";

/** A stored reading, and the meter event that bills it; null while its entry is not sealed, or when it was dropped. */
export type BilledReading = {
  sensorId: string;
  /** RFC 3339, UTC, microseconds. */
  recordedAt: string;
  temperature: number;
  meterEventId: string | null;
  /** Retention dropped the reading's entry, which was billed. */
  isEntryDropped: boolean;
};

export type ReadingFilter = {
  sensorId: string | undefined;
  /** Half-open: `from` counts, `to` does not. */
  from: string | undefined;
  to: string | undefined;
  /** Sensor and time of the last reading of the page before. */
  after: readonly [string, string] | undefined;
  limit: number;
};

type StoredReading = { sensorId: string; recordedAt: string; temperature: number; entryId: string };

/**
 * An organization's readings by sensor and time, each with the meter event that bills it: the event of its entry, or
 * the event that replaced that one after a doubt.
 */
export async function listBilledReadings(
  db: Db,
  organizationId: string,
  filter: ReadingFilter,
): Promise<BilledReading[]> {
  const readings = await listStored(db, organizationId, filter);
  const entryIds = [...new Set(readings.map(({ entryId }) => entryId))].toSorted();
  const events = await readEventsOf(db, organizationId, entryIds);
  return readings.map(({ entryId, ...reading }) => ({
    ...reading,
    meterEventId: events.get(entryId) ?? null,
    // A reading commits with its entry, which only retention takes away.
    isEntryDropped: !events.has(entryId),
  }));
}

async function listStored(
  db: Db,
  organizationId: string,
  { sensorId, from, to, after, limit }: ReadingFilter,
): Promise<StoredReading[]> {
  const { rows } = await sql<StoredReading>`
    select r.sensor_id as "sensorId", ${exactInstant("recorded_at")} as "recordedAt", r.temperature,
      r.entry_id as "entryId"
    from metering.readings r
    where r.organization_id = ${organizationId}
      ${sensorId === undefined ? sql`` : sql`and r.sensor_id = ${sensorId}`}
      ${from === undefined ? sql`` : sql`and r.recorded_at >= ${from}::timestamptz`}
      ${to === undefined ? sql`` : sql`and r.recorded_at < ${to}::timestamptz`}
      ${after === undefined ? sql`` : sql`and (r.sensor_id, r.recorded_at) > (${after[0]}, ${after[1]}::timestamptz)`}
    order by r.sensor_id, r.recorded_at
    limit ${limit}
  `.execute(db);
  return rows;
}

/**
 * The meter event that bills each of these entries, ascending ids of one organization; null where the entry is not sealed,
 * or was dropped. An entry that is not kept any more is not there.
 *
 * Entries are found by primary key, since an id holds its entry's time. With the first and the last of these times as
 * values Postgres plans the entries' months alone, however many months are kept.
 */
async function readEventsOf(
  db: Db,
  organizationId: string,
  entryIds: readonly string[],
): Promise<Map<string, string | null>> {
  const [first, last] = [entryIds[0], entryIds.at(-1)];
  if (first === undefined || last === undefined) return new Map();
  const { rows } = await sql<{ entryId: string; meterEventId: string | null }>`
    select
      e.id as "entryId",
      -- Few are replaced: a recursion begun for each event would take as long again as all the rest.
      case
        when sealed.replaced_by_id is null then sealed.id
        else (select v.id from ${latestVersion(sql`${organizationId}::uuid`, sql`sealed.id`)} v)
      end as "meterEventId"
    from unnest(${[...entryIds]}::uuid[]) k (id)
    join metering.meter_outbox e
      on e.organization_id = ${organizationId} and e.occurred_at = metering.uuid_v7_time(k.id) and e.id = k.id
    left join lateral (
      select id, replaced_by_id
      from metering.meter_events
      where organization_id = ${organizationId} and id = e.meter_event_id
      limit 1
    ) sealed on true
    where e.occurred_at between metering.uuid_v7_time(${first}::uuid) and metering.uuid_v7_time(${last}::uuid)
  `.execute(db);
  return new Map(rows.map(({ entryId, meterEventId }) => [entryId, meterEventId]));
}
