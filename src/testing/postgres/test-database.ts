import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { Pool } from "pg";
import { inject } from "vitest";
import { type Database, openDatabase } from "../../database/pool.ts";
import type { Db } from "../../database/db.ts";
import { silentLog } from "../../log.ts";
import { grantServiceRoles, type ServiceRole, urlOfRole } from "./service-roles.ts";
import { patienceMs } from "../processes/patience.ts";
import { createDatabase, dropDatabase, urlOfDatabase } from "../net/test-server.ts";

/** A way into a database: with a role, and with connections of its own. */
type DatabaseAccess = { url: string; db: Db; pool: Pool };

/** The access of the owner, who may do everything by hand, and the accesses of the API and the worker under test. */
export type TestDatabase = DatabaseAccess & {
  as: (role: ServiceRole) => DatabaseAccess;
  /** Runs scripts/roles.sql, as an operator does after a migration. */
  grantRoles: () => Promise<void>;
  drop: () => Promise<void>;
};

/** What runs beside requests, such as a look at keys, may still have a connection when the test has ended. */
const givenBackWithinMs = 3_000;

/** How many connections the test has not given back. */
async function countHeld(opened: readonly Database[]): Promise<number> {
  const count = () => opened.reduce((sum, { pool }) => sum + pool.totalCount - pool.idleCount, 0);
  const endsAtMs = performance.now() + patienceMs(givenBackWithinMs);
  while (count() > 0 && performance.now() < endsAtMs) await pause(20);
  return count();
}

/**
 * Makes a migrated, empty database for one test. Its owner drops it, which ends every other session in it; prefer
 * `databaseTest`, which always does. Throws at the drop when the test did not give back a connection of the pool.
 */
export async function createTestDatabase(options: { applicationName?: string } = {}): Promise<TestDatabase> {
  const server = inject("testServer");
  const name = `${server.prefix}${randomBytes(6).toString("hex")}`;
  await createDatabase(server, name, server.template);
  const applicationName = options.applicationName ?? "meter-outbox test";
  const opened: Database[] = [];
  const accesses = new Map<ServiceRole, DatabaseAccess>();

  function open(url: string): DatabaseAccess {
    const database = openDatabase(
      { connectionString: url, applicationName, connectionsMax: 10, connectTimeoutMs: 30_000 },
      silentLog,
    );
    opened.push(database);
    return { url, db: database.db, pool: database.pool };
  }
  const owner = open(urlOfDatabase(server.url, name));

  function openAs(role: ServiceRole): DatabaseAccess {
    const access = server.roles === undefined ? owner : open(urlOfRole(owner.url, server.roles[role]));
    accesses.set(role, access);
    return access;
  }

  async function drop(): Promise<void> {
    const heldConnections = await countHeld(opened);
    // The pool's end waits for every connection, and so for ever for one that is not given back.
    const ended = Promise.all(opened.map(({ pool }) => (pool.ending ? Promise.resolve() : pool.end())));
    if (heldConnections === 0) await ended;
    await dropDatabase(server, name);
    if (heldConnections > 0)
      throw new Error(`the test still holds ${heldConnections} of the pool's connections`);
  }
  return {
    ...owner,
    as: (role) => accesses.get(role) ?? openAs(role),
    grantRoles: async () => {
      if (server.roles !== undefined) await grantServiceRoles(owner.url, server.roles);
    },
    drop,
  };
}
