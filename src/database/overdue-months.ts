import { sql } from "kysely";
import type { RetentionDays } from "./retention.ts";
import { type PartitionedTable, partitionedTables } from "./partitions.ts";
import type { Db } from "./db.ts";

/** For how long the oldest month of a table should have been dropped already; 0: none is past its days. */
export type Overdue = { table: PartitionedTable; seconds: number };

/**
 * Writes down the retention days of this worker's environment, so that other processes can tell which months are
 * overdue.
 */
export async function noteRetention(db: Db, days: RetentionDays): Promise<void> {
  const kept = partitionedTables.map((table) => days[table] ?? null);
  await sql`
    insert into metering.retention as r (table_name, days)
    select table_name, days from unnest(${[...partitionedTables]}::text[], ${kept}::int[]) as wanted (table_name, days)
    on conflict (table_name) do update set days = excluded.days, set_at = now()
    where r.days is distinct from excluded.days
  `.execute(db);
}

/**
 * One row for each table that is not kept for ever, by the days that a worker wrote down last. Reads the catalog alone.
 */
export async function readOverdue(db: Db): Promise<Overdue[]> {
  const { rows } = await sql<Overdue>`
    select
      r.table_name as table,
      coalesce(greatest(0, extract(epoch from now() - oldest.ended_at - r.days * interval '1 day')), 0)::float8 as seconds
    from metering.retention r
    cross join lateral (
      select min(to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month') at time zone 'UTC' as ended_at
      from pg_inherits i
      join pg_class c on c.oid = i.inhrelid
      where i.inhparent = ('metering.' || r.table_name)::regclass
        and c.relname ~ ('^' || r.table_name || '_\\d{4}_\\d{2}$')
    ) oldest
    where r.days is not null
    order by r.table_name
  `.execute(db);
  return rows;
}
