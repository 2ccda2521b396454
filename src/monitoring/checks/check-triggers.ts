import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import { type Finding, ok, problem } from "./finding.ts";

/** Whether our triggers run: they refuse wrong changes and note which customer pays. */
export async function checkTriggers(db: Db): Promise<Finding> {
  const { rows } = await sql<{ disabled: string | null }>`
    select string_agg(format('%s of metering.%s', t.tgname, c.relname), ', ' order by c.relname, t.tgname) as disabled
    from pg_trigger t
    join pg_class c on c.oid = t.tgrelid
    join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'metering' and not t.tgisinternal and t.tgenabled in ('D', 'R')
  `.execute(db);
  const disabled = rows[0]?.disabled ?? null;
  if (disabled === null) return ok("triggers", "all run");
  return problem("triggers", `disabled: ${disabled}`, "enable them again as the tables' owner (alter table)");
}
