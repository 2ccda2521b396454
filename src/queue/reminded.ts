import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import { queueSchema } from "./queue-schema.ts";

/** The keys of a queue's jobs that wait, are under way or are tried again. */
export async function listReminded(db: Db, queue: string): Promise<Set<string>> {
  const { rows } = await sql<{ key: string }>`
    select singleton_key as key from ${sql.table(`${queueSchema}.job`)}
    where name = ${queue} and state <= 'active' and singleton_key is not null
  `.execute(db);
  return new Set(rows.map(({ key }) => key));
}
