import { sql } from "kysely";
import type { Db } from "../../database/db.ts";

/** From now on `add_up_usage` adds up meter events however young they are, at most `eventsMax` a call. */
export async function settleUsageAtOnce(db: Db, eventsMax: number): Promise<void> {
  const { rows } = await sql<{ written: string }>`
    select pg_get_functiondef('metering.add_up_usage'::regproc) as written
  `.execute(db);
  const young = (rows[0]?.written ?? "")
    .replace(/(settled_after constant interval :=) interval '[^']+'/, "$1 interval '-2 hours'")
    .replace(/(events_max constant integer :=) \d+/, `$1 ${eventsMax}`);
  if (!young.includes("'-2 hours'") || !young.includes(`:= ${eventsMax};`)) {
    throw new Error("add_up_usage is written in another way");
  }
  await sql.raw(young).execute(db);
}
