import { sql } from "kysely";
import type { Db } from "../../database/db.ts";

/**
 * From 17 on Postgres looks up a list of ids in one walk through an index. Before, each id is a walk of its own, and where
 * walks look dear, pg-boss's statements read their queue whole.
 */
export async function readsListsAtOnce(db: Db): Promise<boolean> {
  const { rows } = await sql<{ version: number }>`
    select current_setting('server_version_num')::int as version
  `.execute(db);
  return (rows[0]?.version ?? 0) >= 170_000;
}
