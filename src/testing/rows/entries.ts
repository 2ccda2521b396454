import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import type { MeterName } from "../../usage/meters.ts";
import { hoursAgo } from "./hours.ts";

export type NewEntry = { at: Date; quantity: number; meter?: MeterName };

/** Writes entries into the outbox as any service that shares the database may, at times of the test's choice. */
export async function appendEntries(
  db: Db,
  organizationId: string,
  entries: readonly NewEntry[],
): Promise<void> {
  await sql`
    insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity)
    select ${organizationId}, i.at, metering.uuid_v7(i.at), i.meter, i.quantity
    from unnest(
      ${entries.map(({ at }) => at)}::timestamptz[],
      ${entries.map(({ quantity }) => quantity)}::bigint[],
      ${entries.map(({ meter }) => meter ?? "temperature_readings")}::text[]
    ) as i (at, quantity, meter)
  `.execute(db);
}

/** Writes an entry of one reading into each of these hours, so many whole hours before the present one. */
export function appendHours(db: Db, organizationId: string, hours: readonly number[]): Promise<void> {
  return appendEntries(
    db,
    organizationId,
    hours.map((hour) => ({ at: hoursAgo(hour, 1), quantity: 1 })),
  );
}
