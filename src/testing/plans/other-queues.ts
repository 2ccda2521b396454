import { sql } from "kysely";
import type { PgBoss } from "pg-boss";
import type { Db } from "../../database/db.ts";
import { reconcileQueue } from "../../queue/queues.ts";

/** As of a table of jobs that held none of any other queue's when it was analyzed: one job of `reconcile` alone. */
export async function analyzeOtherQueues(db: Db, boss: PgBoss): Promise<void> {
  await boss.send(reconcileQueue.name, {}, { startAfter: 1_000 });
  await sql`analyze pgboss.job_common`.execute(db);
}
