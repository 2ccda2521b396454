import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import { queueSchema } from "./queue-schema.ts";

/** Those of the keys for which a queue has a job that waits, is under way or is tried again. */
export async function listReminded(
  db: Db,
  { queue, keys }: { queue: string; keys: readonly string[] },
): Promise<Set<string>> {
  const { rows } = await sql<{ key: string }>`
    select singleton_key as key from ${sql.table(`${queueSchema}.job`)}
    where name = ${queue} and state <= 'active' and singleton_key = any(${keys}::text[])
  `.execute(db);
  return new Set(rows.map(({ key }) => key));
}
