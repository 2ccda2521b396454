import pg from "pg";
import { newConnections } from "../../database/new-connection.ts";
import { createQueryBuilder } from "../../database/query-builder.ts";
import { outlivesDrop } from "./outlives-drop.ts";

/** The database, where `onStatement` hears of each statement before it is sent, and may throw in its place. */
export function openWatched(
  connectionString: string,
  onStatement: (text: string, values: readonly unknown[], clients: ReadonlySet<pg.PoolClient>) => void,
) {
  const pool = new pg.Pool({ connectionString, max: 3, ...newConnections() });
  outlivesDrop(pool);
  const clients = new Set<pg.PoolClient>();
  pool.on("connect", (client) => {
    clients.add(client);
    const plain: (text: string, values?: unknown) => Promise<pg.QueryResult> = client.query.bind(client);
    const query = async (text: string, values?: unknown) => {
      if (Array.isArray(values)) onStatement(text, values, clients);
      return plain(text, values);
    };
    Object.assign(client, { query });
  });
  return createQueryBuilder(pool);
}

/** What Postgres says of a statement that took too long, as one does that waits for a silent node of a cluster. */
export function tookTooLong(): Error {
  return Object.assign(new Error("canceling statement due to statement timeout"), { code: "57014" });
}
