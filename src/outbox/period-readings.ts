import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import type { UsagePeriod } from "./period-entries.ts";

/**
 * How many readings were stored in a period for which this customer pays, counted from the readings themselves; null where
 * retention may have dropped some of them. An entry's id holds its time, and a reading its entry's id.
 */
export async function countPeriodReadings(
  db: Db,
  { organizationId, customer, start, end }: UsagePeriod,
): Promise<number | null> {
  // Bounds are made once: beside each reading they would cost more than the reading, and no index would be read by them.
  const counted = await sql<{ readings: number | null }>`
    with bounds as materialized (
      select
        ${firstIdOf(sql`greatest(w.starts_at, ${start}::timestamptz)`)} as from_id,
        ${firstIdOf(sql`least(w.ends_at, ${end}::timestamptz)`)} as to_id
      from metering.customer_spans w
      where w.organization_id = ${organizationId} and w.stripe_customer_id = ${customer}
        and w.starts_at < ${end} and w.ends_at > ${start}
    )
    select
      case
        when exists (
          select from metering.dropped_partitions where table_name = 'readings' and dropped_at > ${start}
        ) then null
        else count(r.*)::float8
      end as readings
    from bounds b
    cross join lateral (
      select 1 as one
      from metering.readings r
      where r.organization_id = ${organizationId} and r.entry_id >= b.from_id and r.entry_id < b.to_id
      offset 0
    ) r
  `.execute(db);
  return counted.rows[0]?.readings ?? null;
}

/** The smallest version 7 UUID of a moment, in milliseconds. */
function firstIdOf(at: ReturnType<typeof sql>) {
  return sql`
    (lpad(to_hex(floor(extract(epoch from ${at}) * 1000)::bigint), 12, '0') || '70000000000000000000')::uuid
  `;
}
