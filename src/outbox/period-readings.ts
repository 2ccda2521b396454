import { type RawBuilder, sql } from "kysely";
import type { Db } from "../database/db.ts";
import { byIndex } from "../database/one-plan.ts";
import { paidSpansOf, timesAsRows, type UsagePeriods } from "./paid-spans.ts";

/**
 * How many readings were stored in each period for which its customer pays, counted from the readings themselves; null where
 * retention may have dropped some of them. Hours that a worker has counted already are taken from `reading_counts`. An entry's
 * id holds its time, and a reading its entry's id.
 */
export async function countPeriodReadings(
  db: Db,
  { organizationId, times }: UsagePeriods,
): Promise<(number | null)[]> {
  // Bounds are made once: beside each reading they would cost more than the reading, and no index would be read by them.
  const counted = await byIndex(db, (trx) =>
    sql<{ readings: number | null }>`
      with spans as materialized (
        select
          n, starts_at, ends_at, case when is_counted then counted_from else ends_at end as counted_from,
          case when is_counted then counted_until else ends_at end as counted_until
        from (
          select *, counted_from < counted_until as is_counted
          from (
            select
              w.n, w.starts_at, w.ends_at, greatest(w.whole_from, coalesce(p.readings_from, 'infinity')) as counted_from,
              least(w.whole_to, coalesce(p.readings_until, '-infinity')) as counted_until
            from (${paidSpansOf({ organizationId, times })}) w
            cross join metering.usage_progress p
          ) clipped
        ) span
      ),
      bounds as materialized (
        select w.n, ${firstIdOf(sql`b.starts_at`)} as from_id, ${firstIdOf(sql`b.ends_at`)} as to_id
        from spans w
        cross join lateral (values (w.starts_at, w.counted_from), (w.counted_until, w.ends_at)) b (starts_at, ends_at)
        where b.starts_at < b.ends_at
      ),
      counted as materialized (
        select n, sum(readings) as readings
        from (
          select w.n, c.readings
          from spans w
          cross join lateral (
            select readings
            from metering.reading_counts
            where organization_id = ${organizationId} and hour >= w.counted_from and hour < w.counted_until
            offset 0
          ) c
          union all
          select b.n, r.readings
          from bounds b
          cross join lateral (
            select count(*) as readings
            from metering.readings
            where organization_id = ${organizationId} and entry_id >= b.from_id and entry_id < b.to_id
          ) r
        ) part
        group by n
      )
      select
        case
          when exists (
            select 1 from metering.dropped_partitions where table_name = 'readings' and dropped_at > p.starts_at
          ) then null
          else coalesce(c.readings, 0)::float8
        end as readings
      from ${timesAsRows(times)}
      left join counted c on c.n = p.n
      order by p.n
    `.execute(trx),
  );
  return counted.rows.map(({ readings }) => readings);
}

/** The smallest version 7 UUID of a moment, in milliseconds. */
function firstIdOf(at: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`
    (lpad(to_hex(floor(extract(epoch from ${at}) * 1000)::bigint), 12, '0') || '70000000000000000000')::uuid
  `;
}
