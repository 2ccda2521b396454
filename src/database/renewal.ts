import type pg from "pg";
import { endsConnection, isReadOnlyServer } from "./lost-connection.ts";

/** Watches the connections of a pool, so that useless ones are not used again. */
export type Renewal = {
  /** Listens to the server's messages on a new connection. */
  watch: (client: pg.PoolClient) => void;
  /** Whether the connection is to be ended when it is given back. */
  isDue: (client: pg.PoolClient) => boolean;
  renewAll: () => void;
};

/** While the server may only be read, the pool looks for another server at most this often. */
const renewedEveryMs = 1_000;

/**
 * Ends a connection on which the server said that it is going away. When the server says on one connection that it may
 * only be read, all connections that were open then are ended, each as soon as it is idle: they lead to the same
 * server, which may refuse writes for hours after a switchover. New connections stay for a second even if they hear the
 * same: a server that is handing over must not get a thousand log-ins a second.
 */
export function createRenewal(pool: pg.Pool): Renewal {
  const lost = new WeakSet<pg.PoolClient>();
  const openedAtMs = new WeakMap<pg.PoolClient, number>();
  let renewedAtMs = Number.NEGATIVE_INFINITY;

  function renewAll(): void {
    if (performance.now() - renewedAtMs < renewedEveryMs) return;
    renewedAtMs = performance.now();
    for (let idle = pool.idleCount; idle > 0; idle -= 1) void endOne();
  }

  async function endOne(): Promise<void> {
    const client = await pool.connect().catch(() => undefined);
    // No connection is left to end: another caller has it and ends it, or the pool has closed.
    client?.release(true);
  }

  return {
    renewAll,
    watch: (client) => {
      openedAtMs.set(client, performance.now());
      client.connection.on("errorMessage", (error: unknown) => {
        if (endsConnection(error)) lost.add(client);
        if (isReadOnlyServer(error)) renewAll();
      });
    },
    isDue: (client) => lost.has(client) || (openedAtMs.get(client) ?? 0) < renewedAtMs,
  };
}
