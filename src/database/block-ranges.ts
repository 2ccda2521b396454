import { sql } from "kysely";
import type { Db } from "./db.ts";

/**
 * Summarizes again the block ranges that a cancelled vacuum or a killed server has left without a summary, of all block range
 * indexes (migration 0125 tells what they cost). Returns how many. Leaves a table alone where a vacuum is at work. Safe to run
 * at any time, also as a role that owns no table. A cluster's shards are not reached.
 */
export async function mendBlockRanges(db: Db): Promise<number> {
  const { rows } = await sql<{ mended: number }>`select metering.mend_block_ranges() as mended`.execute(db);
  return rows[0]?.mended ?? 0;
}
