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

/**
 * An organization's readings by sensor and time, each with the meter event that bills it: the event of its entry, or
 * the event that replaced that one after a doubt. Entries are found by primary key, since a reading's entry id holds
 * the entry's time.
 */
export async function listBilledReadings(
  db: Db,
  organizationId: string,
  { sensorId, from, to, after, limit }: ReadingFilter,
): Promise<BilledReading[]> {
  const readings = await sql<BilledReading>`
    with page as (
      select r.sensor_id, r.recorded_at, r.temperature, r.entry_id
      from metering.readings r
      where r.organization_id = ${organizationId}
        ${sensorId === undefined ? sql`` : sql`and r.sensor_id = ${sensorId}`}
        ${from === undefined ? sql`` : sql`and r.recorded_at >= ${from}::timestamptz`}
        ${to === undefined ? sql`` : sql`and r.recorded_at < ${to}::timestamptz`}
        ${after === undefined ? sql`` : sql`and (r.sensor_id, r.recorded_at) > (${after[0]}, ${after[1]}::timestamptz)`}
      order by r.sensor_id, r.recorded_at
      limit ${limit}
    ),
    entries as (
      select distinct e.id, e.meter_event_id
      from page p
      join metering.meter_outbox e
        on e.organization_id = ${organizationId}
        and e.occurred_at = metering.uuid_v7_time(p.entry_id) and e.id = p.entry_id
    ),
    versions as materialized (
      select sealed.id as sealed_into, v.id
      from (select distinct meter_event_id as id from entries where meter_event_id is not null) sealed
      cross join lateral ${latestVersion(sql`${organizationId}::uuid`, sql`sealed.id`)} v
    )
    select
      p.sensor_id as "sensorId",
      ${exactInstant("p.recorded_at")} as "recordedAt",
      p.temperature,
      (select v.id from versions v where v.sealed_into = e.meter_event_id) as "meterEventId",
      -- A reading commits with its entry, which only retention takes away.
      e.id is null as "isEntryDropped"
    from page p
    left join entries e on e.id = p.entry_id
    order by p.sensor_id, p.recorded_at
  `.execute(db);
  return readings.rows;
}
