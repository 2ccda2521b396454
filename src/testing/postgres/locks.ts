import type { Pool } from "pg";

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

/** How many sessions of the pool's database wait for another one's lock. */
export async function countWaitingForLocks(pool: Pool): Promise<number> {
  const { rows } = await pool.query(`select ${waiting}`);
  return rows.length;
}

/** Ends the sessions that wait for a lock; says how many. */
export async function endWaitingForLocks(pool: Pool): Promise<number> {
  const { rows } = await pool.query(`select pg_terminate_backend(pid) ${waiting}`);
  return rows.length;
}

const waiting = "from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
