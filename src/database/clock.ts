import { sql } from "kysely";
import type { Db } from "./db.ts";

/** The database's time at this moment, also inside a transaction. */
export async function readClock(db: Db): Promise<Date> {
  const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(db);
  const [row] = rows;
  if (row === undefined) throw new Error("the database has no clock");
  return row.now;
}
