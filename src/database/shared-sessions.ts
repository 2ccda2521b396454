import { sql } from "kysely";
import type { Db } from "./db.ts";

/** What an operator does about it. */
export const sharedSessionsRemedy =
  "point DATABASE_URL to Postgres itself, or have the pooler work in session mode";

export const sharedSessionsFault = `a pooler gives each transaction another session of the server, and ours hold settings, prepared statements and locks: ${sharedSessionsRemedy}`;

/**
 * Whether a pooler in transaction mode stands before the server: then two connections of ours, one of them in a transaction,
 * have been the same session, or one has been two. Takes two connections of the pool at once.
 */
export async function hasSharedSessions(db: Db): Promise<boolean> {
  return db.connection().execute(async (one) => {
    const first = await readSession(one);
    return db.transaction().execute(async (other) => {
      const held = await readSession(other);
      return held === first || (await readSession(one)) !== first;
    });
  });
}

async function readSession(db: Db): Promise<number | undefined> {
  const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db);
  return rows[0]?.pid;
}
