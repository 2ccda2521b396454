import type { PgBoss } from "pg-boss";
import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import { withoutTriggers } from "../postgres/without-triggers.ts";
import { until } from "../processes/until.ts";

const deadlockDetected = "40P01";

/**
 * Deletes every row of every table of pg-boss's, its queues, crons and version too, while anything may run; waiting
 * events look as if sealed long ago, so that the next sweep does not take them for new ones.
 */
export async function loseQueueRows(db: Db): Promise<void> {
  await until(() => tryToLoseRows(db), { what: "pg-boss's tables to be free for a moment" });
}

async function tryToLoseRows(db: Db): Promise<boolean> {
  const tables = await sql<{ name: string }>`
    select c.oid::regclass::text as name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'pgboss' and c.relkind in ('r', 'p')
  `.execute(db);
  const names = tables.rows.map(({ name }) => sql.table(name));
  try {
    await withoutTriggers(db, async (trx) => {
      // The settling code locks in this order too. In the other order, a session that holds an event and asks pg-boss
      // for its queue on another connection would wait for us and we for it; Postgres cannot see that deadlock.
      await sql`lock table metering.meter_events in share row exclusive mode`.execute(trx);
      await sql`truncate ${sql.join(names)}`.execute(trx);
      await sql`
        update metering.meter_events set sealed_at = now() - interval '1 hour' where state = 'pending'
      `.execute(trx);
    });
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === deadlockDetected) return false;
    throw error;
  }
}

/** How many rows pg-boss's tables hold by name, apart from its jobs. */
export async function readQueueFurniture(db: Db): Promise<unknown> {
  const { rows } = await sql`
    select
      (select array_agg(version) from pgboss.version) as versions,
      (select array_agg(name || ' ' || policy order by name) from pgboss.queue) as queues,
      (select array_agg(name || ' ' || cron order by name) from pgboss.schedule) as crons
  `.execute(db);
  return rows[0];
}

/** How many jobs of a queue are done. */
export async function countDone(boss: PgBoss, queue: string): Promise<number> {
  return (await boss.findJobs(queue)).filter(({ state }) => state === "completed").length;
}
