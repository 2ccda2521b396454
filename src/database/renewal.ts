import type pg from "pg";
import { endsConnection, isReadOnlyServer } from "./lost-connection.ts";

/** What has to be known of a pool's connections so that those of no use any more are not used again. */
export type Renewal = {
  /** Listens to what the server says on a new connection. */
  watch: (client: pg.PoolClient) => void;
  /** Whether it is to be ended when it is given back. */
  isDue: (client: pg.PoolClient) => boolean;
  renewAll: () => void;
};

/** While the server may only be read, a new way to another is looked for no more often. */
const renewedEveryMs = 1_000;

/**
 * Ends a connection on which the server said that it is going away. When one says that it may only be read, all that
 * were open are ended, each as soon as it is idle: they lead to the same server, and after a switchover it may answer
 * for hours, well and in vain. Until a second later their successors stay, however often they say the same: a server that
 * hands over needs no thousand logins a second besides.
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
    // Without one there was nothing left to end: somebody took it, who ends it, or the pool has closed.
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
