import { type RawBuilder, sql } from "kysely";
import type { Db } from "../database/db.ts";
import { byIndex } from "../database/one-plan.ts";
import { paidSpansOf, type UsagePeriod } from "./period-entries.ts";

/**
 * How many readings were stored in a period for which this customer pays, counted from the readings themselves; null where
 * retention may have dropped some of them. Hours that a worker has counted already are taken from `reading_counts`. An entry's
 * id holds its time, and a reading its entry's id.
 */
export async function countPeriodReadings(db: Db, period: UsagePeriod): Promise<number | null> {
  const { organizationId, start } = period;
  // Bounds are made once: beside each reading they would cost more than the reading, and no index would be read by them.
  const counted = await byIndex(db, (trx) =>
    sql<{ readings: number | null }>`
      with spans as materialized (
        select
          starts_at, ends_at, case when is_counted then counted_from else ends_at end as counted_from,
          case when is_counted then counted_until else ends_at end as counted_until
        from (
          select *, counted_from < counted_until as is_counted
          from (
            select
              w.starts_at, w.ends_at, greatest(w.whole_from, coalesce(p.readings_from, 'infinity')) as counted_from,
              least(w.whole_to, coalesce(p.readings_until, '-infinity')) as counted_until
            from (${paidSpansOf(period)}) w
            cross join metering.usage_progress p
          ) clipped
        ) span
      ),
      bounds as materialized (
        select ${firstIdOf(sql`b.starts_at`)} as from_id, ${firstIdOf(sql`b.ends_at`)} as to_id
        from spans w
        cross join lateral (values (w.starts_at, w.counted_from), (w.counted_until, w.ends_at)) b (starts_at, ends_at)
        where b.starts_at < b.ends_at
      )
      select
        case
          when exists (
            select 1 from metering.dropped_partitions where table_name = 'readings' and dropped_at > ${start}
          ) then null
          else (
            select coalesce(sum(c.readings), 0)
            from spans w
            join metering.reading_counts c
              on c.organization_id = ${organizationId} and c.hour >= w.counted_from and c.hour < w.counted_until
          )::float8 + (
            select count(r.*)
            from bounds b
            cross join lateral (
              select 1 as one
              from metering.readings r
              where r.organization_id = ${organizationId} and r.entry_id >= b.from_id and r.entry_id < b.to_id
              offset 0
            ) r
          )::float8
        end as readings
    `.execute(trx),
  );
  return counted.rows[0]?.readings ?? null;
}

/** The smallest version 7 UUID of a moment, in milliseconds. */
function firstIdOf(at: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`
    (lpad(to_hex(floor(extract(epoch from ${at}) * 1000)::bigint), 12, '0') || '70000000000000000000')::uuid
  `;
}
