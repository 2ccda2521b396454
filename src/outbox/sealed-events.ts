import { type RawBuilder, sql } from "kysely";
import type { Db } from "../database/db.ts";
import { isMonthDropped } from "../database/retention.ts";

/** The events that the seal stamped the entries of a meter event with, and the hours of these entries. */
export type SealedEvents = { organizationId: string; ids: string[]; firstHour: Date; lastHour: Date };

/**
 * An event's entries are stamped with the event itself or, where it replaces others, with the first of these. Each step
 * names the organization, so that a cluster asks its shard alone.
 */
export async function readSealedEvents(
  db: Db,
  event: { organizationId: string; id: string; hour: Date; replacesId: string | null },
): Promise<SealedEvents> {
  const { organizationId, id, hour, replacesId } = event;
  const itself = { organizationId, ids: [id], firstHour: hour, lastHour: hour };
  if (replacesId === null) return itself;
  const { rows } = await sql<{ id: string; hour: Date }>`
    with recursive versions as (
      select m.id, m.replaces_id, m.hour
      from metering.meter_events m
      where m.organization_id = ${organizationId}::uuid and m.id = ${id}::uuid
      union all
      select o.id, o.replaces_id, o.hour
      from versions v
      join metering.meter_events o on o.organization_id = ${organizationId}::uuid and o.replaced_by_id = v.id
    )
    select v.id, v.hour from versions v where v.replaces_id is null order by v.hour
  `.execute(db);
  const [first, last] = [rows[0], rows.at(-1)];
  if (first === undefined || last === undefined) return itself;
  return { organizationId, ids: rows.map((row) => row.id), firstHour: first.hour, lastHour: last.hour };
}

/** A condition: the entry `e` is one of these. With their hours as values Postgres plans and reads their months alone. */
export function isSealedInto({
  organizationId,
  ids,
  firstHour,
  lastHour,
}: SealedEvents): RawBuilder<boolean> {
  return sql<boolean>`(
    e.organization_id = ${organizationId} and e.meter_event_id = any(${ids}::uuid[])
    and e.occurred_at >= ${firstHour} and e.occurred_at < ${lastHour}::timestamptz + interval '1 hour'
  )`;
}

/** Whether retention dropped a month of their entries. */
export function areEntriesDropped(db: Db, { firstHour, lastHour }: SealedEvents): Promise<boolean> {
  return isMonthDropped(db, { table: "meter_outbox", first: firstHour, last: lastHour });
}
