import { Kysely, PostgresDialect, type PostgresPool } from "kysely";
import pg from "pg";
import type { Db } from "../../database/db.ts";
import { outlivesDrop } from "./outlives-drop.ts";

/** Connections as through a pooler in transaction mode: each has a session of the server for one transaction alone. */
export function openThroughPooler(connectionString: string): { db: Db; close: () => Promise<void> } {
  const sessions = outlivesDrop(new pg.Pool({ connectionString, max: 2 }));
  const connect = async () => {
    let session: pg.PoolClient | undefined;
    return {
      query: async (...query: [string, unknown[]]) => {
        session ??= await sessions.connect();
        try {
          return await session.query(...query);
        } finally {
          if (session.getTransactionStatus() === "I") {
            session.release();
            session = undefined;
          }
        }
      },
      release: () => {},
    };
  };
  const db: Db = new Kysely({
    dialect: new PostgresDialect({
      pool: { connect, options: {}, end: () => sessions.end() } as unknown as PostgresPool,
    }),
  });
  return { db: db.withSchema("metering"), close: () => sessions.end() };
}
