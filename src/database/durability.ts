import { sql } from "kysely";
import type { Db } from "./db.ts";

type Settings = { fsync: string; fullPageWrites: string; synchronousCommit: string };

/**
 * Which of the server's settings let a crash lose committed rows, in words; empty when none does. Our own connections
 * set `synchronous_commit` themselves, so that one matters to other programs of the database.
 */
export async function readDurabilityFaults(db: Db): Promise<string[]> {
  const { rows } = await sql<Settings>`
    select
      current_setting('fsync') as fsync,
      current_setting('full_page_writes') as "fullPageWrites",
      (select reset_val from pg_settings where name = 'synchronous_commit') as "synchronousCommit"
  `.execute(db);
  return rows.flatMap(durabilityFaults);
}

export function durabilityFaults({ fsync, fullPageWrites, synchronousCommit }: Settings): string[] {
  return [
    ...(fsync === "on" ? [] : ["fsync is off: a crash of the machine destroys the database"]),
    ...(fullPageWrites === "on"
      ? []
      : ["full_page_writes is off: a crash in the middle of a write destroys pages"]),
    ...(synchronousCommit === "off"
      ? ["synchronous_commit is off: usage that other programs record may be lost in a crash"]
      : []),
  ];
}
