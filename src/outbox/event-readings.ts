import { sql } from "kysely";
import { namesOrganizations } from "../database/by-shard.ts";
import type { Db } from "../database/db.ts";
import { exactInstant } from "../database/exact-instant.ts";
import { byIndex } from "../database/one-plan.ts";
import { addMonths, startOfMonth } from "../database/months.ts";
import { groupOrganizations } from "../database/shard-groups.ts";
import { isSealedInto, type SealedEvents } from "./sealed-events.ts";

/** A reading behind a meter event. */
export type EventReading = {
  organizationId: string;
  sensorId: string;
  /** RFC 3339, UTC, microseconds. */
  recordedAt: string;
  temperature: number;
  entryId: string;
};

/** Entry, sensor and time of the page before's last reading. */
export type EventReadingKey = readonly [entryId: string, sensorId: string, recordedAt: string];
type Page = { after: EventReadingKey; limit: number };
type CountedEntry = { id: string; occurredAt: Date; quantity: number; readingsBefore: number };

const beforeAll: EventReadingKey = ["00000000-0000-0000-0000-000000000000", "", "-infinity"];

/**
 * The readings that these events count, by entry, sensor and time. None where no reading stands behind the entries: sensor counts, or usage that another service recorded.
 */
export async function listEventReadings(
  db: Db,
  sealed: SealedEvents,
  { after = beforeAll, limit }: { after?: EventReadingKey | undefined; limit: number },
): Promise<EventReading[]> {
  const entries = await listEntriesFrom(db, sealed, after);
  const page = { after, limit };
  const nearEntries = entries.filter(({ readingsBefore }) => readingsBefore < limit);
  const near = await readFrom(db, sealed, { ...page, entries: nearEntries });
  // Entries without readings count too, so that more may follow them.
  const isWhole = near.length === limit || nearEntries.length === entries.length;
  return isWhole ? near : readFrom(db, sealed, { ...page, entries });
}

/** The entries that a page may come from, each with how many readings the ones before it give to the page. */
async function listEntriesFrom(
  db: Db,
  sealed: SealedEvents,
  [entryId]: EventReadingKey,
): Promise<CountedEntry[]> {
  // Readings of the first entry may be on the page before, so it gives none for certain.
  const entries = await sql<CountedEntry>`
    select
      e.id,
      e.occurred_at as "occurredAt",
      e.quantity::float8 as quantity,
      coalesce(
        sum(e.quantity) filter (where e.id > ${entryId}::uuid)
          over (order by e.id rows between unbounded preceding and 1 preceding),
        0
      )::float8 as "readingsBefore"
    from metering.meter_outbox e
    where ${isSealedInto(sealed)} and e.id >= ${entryId}::uuid
    order by e.id
  `.execute(db);
  return entries.rows;
}

/**
 * Asks the months of the entries first, as most readings are sent within the month in which they were recorded. Where these
 * hold fewer readings than the entries count, some were recorded in earlier months, so all months are asked.
 */
async function readFrom(
  db: Db,
  sealed: SealedEvents,
  page: Page & { entries: readonly CountedEntry[] },
): Promise<EventReading[]> {
  const [first, last] = [page.entries[0], page.entries.at(-1)];
  if (first === undefined || last === undefined) return [];
  const months = { from: startOfMonth(first.occurredAt), to: addMonths(last.occurredAt, 1) };
  const found = await readStored(db, sealed, { ...page, months });
  const counted = page.entries.reduce((sum, { quantity }) => sum + quantity, 0);
  const { readings } = found.stored === counted ? found : await readStored(db, sealed, page);
  return readings;
}

/**
 * A page of the readings of these entries, recorded in these months or whenever, and how many the entries have there
 * without the page's limits; 0 where the page is empty.
 *
 * A block range index finds what was stored between two entries in each month's partition. It cannot serve a join, so
 * its bounds come as values, and only what lies between them is compared with every single id. What was stored since the
 * index was last brought up to date is read whole, whatever the bounds: migration 0124 keeps it to some 100,000 readings.
 *
 * Measured with 400,000 readings of 800 entries, each of them spread over a whole year's partitions: a page of 500 reads
 * 600 of 4,129 heap pages and takes 40 ms, the last page of an event like the first.
 */
async function readStored(
  db: Db,
  { organizationId }: SealedEvents,
  {
    after,
    limit,
    entries,
    months,
  }: Page & { entries: readonly CountedEntry[]; months?: { from: Date; to: Date } },
): Promise<{ readings: EventReading[]; stored: number }> {
  const ids = entries.map(({ id }) => id);
  const [shard] = await groupOrganizations(db, [organizationId]);
  const { rows } = await byIndex(db, (trx) =>
    sql<EventReading & { stored: number }>`
    with stored_between as materialized (
      select *
      from metering.readings
      -- In a form that no index serves: the primary key would add all of the organization's readings to the block ranges.
      where (organization_id = ${organizationId}) is true ${namesOrganizations(shard)("readings")}
        and entry_id between ${ids[0]} and ${ids.at(-1)}
        ${months === undefined ? sql`` : sql`and recorded_at >= ${months.from} and recorded_at < ${months.to}`}
    ),
    counted as materialized (
      select * from stored_between where entry_id = any(${ids}::uuid[])
    )
    select
      organization_id as "organizationId", sensor_id as "sensorId",
      ${exactInstant("recorded_at")} as "recordedAt",
      temperature, entry_id as "entryId", (select count(*)::int from counted) as stored
    from counted
    where (entry_id, sensor_id, recorded_at) > (${after[0]}::uuid, ${after[1]}, ${after[2]}::timestamptz)
    order by entry_id, sensor_id, recorded_at
    limit ${limit}
  `.execute(trx),
  );
  return {
    readings: rows.map(({ organizationId: owner, sensorId, recordedAt, temperature, entryId }) => ({
      organizationId: owner,
      sensorId,
      recordedAt,
      temperature,
      entryId,
    })),
    stored: rows[0]?.stored ?? 0,
  };
}
