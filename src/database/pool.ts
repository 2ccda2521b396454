import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import type { Log } from "../log.ts";
import type { DB } from "./schema.ts";

export type Database = { db: Kysely<DB>; pool: pg.Pool; close: () => Promise<void> };

export type PoolOptions = {
  connectionString: string;
  applicationName: string;
  connectionsMax: number;
  /** How long to wait for a free or new connection before failing. */
  connectTimeoutMs?: number;
  statementTimeoutMs?: number;
};

/**
 * Opens a pool of connections and Kysely on top of it. Nothing connects before the first query; a connection that
 * breaks while idle is logged and replaced.
 */
export function openDatabase(options: PoolOptions, log: Log): Database {
  const pool = new pg.Pool({
    connectionString: options.connectionString,
    application_name: options.applicationName,
    max: options.connectionsMax,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 5_000,
    statement_timeout: options.statementTimeoutMs ?? 30_000,
    // A transaction left open holds back vacuum for every table.
    idle_in_transaction_session_timeout: 15_000,
    keepAlive: true,
  });
  // Without a listener a connection that breaks while it is in use ends the process, although its query rejects too.
  pool.on("connect", (client) => client.on("error", () => {}));
  pool.on("error", (error) => log.warn({ event: "database_connection_lost", message: error.message }));
  const db = new Kysely<DB>({ dialect: new PostgresDialect({ pool }) }).withSchema("metering");
  return { db, pool, close: () => db.destroy() };
}
