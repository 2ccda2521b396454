import type { Pool } from "pg";
import { inject } from "vitest";

/** Runs a statement in a transaction that stays open, with its locks, until the returned function rolls it back. */
export async function holdOpen(
  pool: Pool,
  statement: string,
  values: readonly unknown[] = [],
): Promise<() => Promise<void>> {
  const holder = await pool.connect();
  await holder.query("begin");
  // The pool's own limit would end it while the rest of the test runs.
  await holder.query("set local idle_in_transaction_session_timeout = 0");
  await holder.query(statement, [...values]);
  return async () => {
    await holder.query("rollback");
    holder.release();
  };
}

/** How many sessions of the pool's database wait for another one's lock; of a cluster, on any node. */
export async function countWaitingForLocks(pool: Pool): Promise<number> {
  const { rows } = await pool.query(`select ${waiting()}`);
  return rows.length;
}

/** Ends the sessions that wait for a lock; says how many. On a cluster it ends the coordinator's, which asked a node. */
export async function endWaitingForLocks(pool: Pool): Promise<number> {
  const { rows } = await pool.query(
    `select pg_terminate_backend(session) from (select session ${waiting()}) w`,
  );
  return rows.length;
}

function waiting(): string {
  const isWaiting = "where datname = current_database() and wait_event_type = 'Lock'";
  if (inject("testServer").cluster === undefined) {
    return `from (select pid as session from pg_stat_activity ${isWaiting}) s`;
  }
  // A session of a node has the global number of the coordinator's session that it works for.
  return `from (select distinct global_pid as session from citus_stat_activity ${isWaiting}) s`;
}
