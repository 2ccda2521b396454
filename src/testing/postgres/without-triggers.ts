import { sql } from "kysely";
import type { Db, Trx } from "../../database/db.ts";

/**
 * Runs `work` in a transaction in which neither triggers nor foreign keys refuse anything, on the nodes of a cluster
 * either. They are on again after it.
 */
export async function withoutTriggers<T>(db: Db, work: (trx: Trx) => Promise<T>): Promise<T> {
  return await db.transaction().execute(async (trx) => {
    // A cluster passes the next setting on to its nodes; plain Postgres takes this one for a name of our own.
    await sql`set local citus.propagate_set_commands = 'local'`.execute(trx);
    await sql`set local session_replication_role = replica`.execute(trx);
    return await work(trx);
  });
}
