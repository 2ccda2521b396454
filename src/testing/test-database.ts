import { randomBytes } from "node:crypto";
import type { Kysely } from "kysely";
import type { Pool } from "pg";
import { inject } from "vitest";
import { openDatabase } from "../database/pool.ts";
import type { DB } from "../database/schema.ts";
import { silentLog } from "../log.ts";
import { createDatabase, dropDatabase, urlOfDatabase } from "./test-server.ts";

export type TestDatabase = { url: string; db: Kysely<DB>; pool: Pool; drop: () => Promise<void> };

/**
 * Makes a migrated, empty database for one test. Its owner drops it, which ends every other session in it; prefer
 * `databaseTest`, which always does. Throws at the drop when the test kept a connection of the pool for itself.
 */
export async function createTestDatabase(options: { applicationName?: string } = {}): Promise<TestDatabase> {
  const server = inject("testServer");
  const name = `${server.prefix}${randomBytes(6).toString("hex")}`;
  await createDatabase(server, name, server.template);
  const url = urlOfDatabase(server.url, name);
  const { db, pool } = openDatabase(
    {
      connectionString: url,
      applicationName: options.applicationName ?? "meter-outbox test",
      connectionsMax: 10,
    },
    silentLog,
  );

  async function drop(): Promise<void> {
    const heldConnections = pool.totalCount - pool.idleCount;
    // Waiting for the pool to end would wait for ever for a connection that nobody gives back.
    const ended = pool.ending ? Promise.resolve() : pool.end();
    if (heldConnections === 0) await ended;
    await dropDatabase(server, name);
    if (heldConnections > 0)
      throw new Error(`the test still holds ${heldConnections} of the pool's connections`);
  }
  return { url, db, pool, drop };
}
