import { sql } from "kysely";
import { readDurabilityFaults } from "../../database/durability.ts";
import type { Db } from "../../database/db.ts";
import { type Finding, ok, problem } from "./finding.ts";

/** Whether the server takes writes, and keeps committed rows after a crash. */
export async function checkServer(db: Db): Promise<Finding[]> {
  return [await checkWritable(db), await checkDurability(db)];
}

async function checkWritable(db: Db): Promise<Finding> {
  const { rows } = await sql<{ isStandby: boolean; isReadOnly: boolean }>`
    select pg_is_in_recovery() as "isStandby", current_setting('transaction_read_only')::boolean as "isReadOnly"
  `.execute(db);
  const { isStandby, isReadOnly } = rows[0] ?? { isStandby: false, isReadOnly: false };
  if (isStandby) {
    return problem("writable", "it is a standby", "point DATABASE_URL to the server that was promoted");
  }
  if (!isReadOnly) return ok("writable", "it takes writes");
  const remedy = "find who set default_transaction_read_only, for the server, the database or the role";
  return problem("writable", "it is read-only", remedy);
}

async function checkDurability(db: Db): Promise<Finding> {
  const faults = await readDurabilityFaults(db);
  if (faults.length === 0) return ok("durability", "what is committed is on disk");
  return problem(
    "durability",
    faults.join("; "),
    "set them on, in postgresql.conf or where else they were set",
  );
}
