import { sql } from "kysely";
import type { Db } from "../../database/db.ts";

/**
 * From now on the database refuses to add or to delete jobs of pg-boss's, in the words of a server that may only be read.
 * Returns what allows it again.
 */
export async function refuseJobs(db: Db, which: "insert" | "delete"): Promise<() => Promise<void>> {
  await sql`
    create function public.refuse_jobs() returns trigger language plpgsql as
    $$ begin raise exception 'jobs are refused' using errcode = 'read_only_sql_transaction'; end $$
  `.execute(db);
  await sql`
    create trigger refuse_jobs before ${sql.raw(which)} on pgboss.job_common
    for each row execute function public.refuse_jobs()
  `.execute(db);
  return async () => void (await sql`drop function public.refuse_jobs() cascade`.execute(db));
}
