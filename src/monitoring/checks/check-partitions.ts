import { sql } from "kysely";
import { countDefaultPartitionRows, partitionedTables } from "../../database/partitions.ts";
import type { Db } from "../../database/db.ts";
import { type Finding, ok, problem } from "./finding.ts";

const check = "partitions";

/** Whether this month and the next have their partitions, and nothing has fallen into a default one. */
export async function checkPartitions(db: Db, now: Date): Promise<Finding> {
  const missing = await findMissing(db, now);
  if (missing.length > 0) {
    const remedy = "run `node dist/migrate.js`, and see why no worker runs the daily job ensure-partitions";
    return problem(check, `missing: ${missing.join(", ")}`, remedy);
  }
  const stray = Object.entries(await countDefaultPartitionRows(db)).filter(([, rows]) => rows > 0);
  if (stray.length === 0) return ok(check, "there for this month and the next; the default ones are empty");
  const counts = stray.map(([table, rows]) => `${rows} of ${table}`).join(", ");
  const detail = `rows in the default ones: ${counts} (counted up to 1,000)`;
  return problem(check, detail, "move these rows to partitions of their months");
}

async function findMissing(db: Db, now: Date): Promise<string[]> {
  const missing = await sql<{ name: string }>`
    with wanted as (
      select t.name || to_char(month, '_YYYY_MM') as name
      from unnest(${[...partitionedTables]}::text[]) t (name)
      cross join generate_series(
        date_trunc('month', ${now}::timestamptz at time zone 'UTC'),
        date_trunc('month', ${now}::timestamptz at time zone 'UTC') + interval '1 month',
        interval '1 month'
      ) month
    )
    select name from wanted
    where not exists (
      select from pg_inherits i
      join pg_class c on c.oid = i.inhrelid
      where c.relnamespace = 'metering'::regnamespace and c.relname = wanted.name
    )
    order by name
  `.execute(db);
  return missing.rows.map(({ name }) => name);
}
