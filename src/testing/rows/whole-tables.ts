import { sql } from "kysely";
import { readClusterVersion } from "../../database/cluster.ts";
import type { Db, Trx } from "../../database/db.ts";
import type { placement } from "../../database/placement.ts";

export type Placed = (typeof placement)[keyof typeof placement][number];

/**
 * Runs `work` in a transaction where tables of the schema `metering` are named without it. On a cluster these names are
 * copies of all their rows on the coordinator, so that any statement is taken there; nothing may be written meanwhile.
 */
export async function withWholeTables<T>(
  db: Db,
  tables: readonly Placed[],
  work: (trx: Trx) => Promise<T>,
): Promise<T> {
  const isCluster = (await readClusterVersion(db)) !== undefined;
  return await db.transaction().execute(async (trx) => {
    await sql`set local search_path = metering`.execute(trx);
    if (isCluster) {
      for (const table of tables) await copy(trx, table);
    }
    return await work(trx);
  });
}

/** A temporary table comes before one of the search path. */
async function copy(trx: Trx, table: string): Promise<void> {
  await sql`
    create temporary table ${sql.ref(table)} on commit drop as select * from ${sql.ref(`metering.${table}`)}
  `.execute(trx);
  await sql`analyze ${sql.ref(table)}`.execute(trx);
}
