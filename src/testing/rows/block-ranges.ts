import { sql } from "kysely";
import type { Pool } from "pg";
import { expect } from "vitest";
import type { Db } from "../../database/db.ts";

/** A month that no other rows are of. */
const laterMonth = "2031-05";
export const pagesOfTwoRanges = 64;

export function readingsOf(month = laterMonth): string {
  return `metering.readings_${month.replace("-", "_")}`;
}

/** Some 20 block ranges that nothing has summarized, in a new month that autovacuum leaves alone. */
export async function storeUnsummarized(db: Db, month = laterMonth): Promise<void> {
  const partition = sql.raw(readingsOf(month));
  await sql`select metering.create_partition('readings', ${`${month}-01Z`})`.execute(db);
  await sql`alter table ${partition} set (autovacuum_enabled = off)`.execute(db);
  await sql`
    insert into ${partition} (organization_id, sensor_id, recorded_at, temperature, entry_id)
    select
      gen_random_uuid(), 'freezer', ${`${month}-02Z`}::timestamptz + n * interval '1 second', 4.5,
      metering.uuid_v7(now() + n * interval '1 second')
    from generate_series(1, 60000) n
  `.execute(db);
}

/** Cancels the work on the ranges until one of them is left behind. */
export async function leavePlaceholder(pool: Pool): Promise<void> {
  const index = `${readingsOf()}_entry_id_idx`;
  for (let ms = 1; ms < 100; ms += 1) {
    await summarizeFor(pool, ms, index);
    await pool.query("select brin_summarize_new_values($1)", [index]);
    if ((await countPagesRead(pool)) > pagesOfTwoRanges) return;
    // The cancel met no range: all begin again.
    await pool.query(
      `select brin_desummarize_range($1, page)
       from generate_series(0, pg_relation_size($2) / current_setting('block_size')::int, 32) page`,
      [index, readingsOf()],
    );
  }
  throw new Error("no cancel has left a placeholder");
}

/** Summarizes an index's ranges on a connection of its own: a timeout that comes late would cancel the next statement there. */
async function summarizeFor(pool: Pool, ms: number, index: string): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query(`set statement_timeout = ${ms}`);
    await client.query("select brin_summarize_new_values($1)", [index]).catch((error: unknown) => {
      expect(error).toMatchObject({ code: "57014" });
    });
  } finally {
    client.release(true);
  }
}

/** How many pages of a month a question reads that no reading answers. */
export async function countPagesRead(pool: Pool, month = laterMonth): Promise<number> {
  const client = await pool.connect();
  try {
    await client.query("begin");
    await client.query("set local enable_seqscan = off");
    await client.query("set local max_parallel_workers_per_gather = 0");
    const { rows } = await client.query<{ "QUERY PLAN": [{ Plan: { "Lossy Heap Blocks"?: number } }] }>(
      `explain (analyze, format json) select from ${readingsOf(month)} where entry_id = 'ffffffff-ffff-ffff-ffff-fffffffffffe'`,
    );
    return rows[0]?.["QUERY PLAN"][0].Plan["Lossy Heap Blocks"] ?? 0;
  } finally {
    await client.query("rollback");
    client.release();
  }
}
