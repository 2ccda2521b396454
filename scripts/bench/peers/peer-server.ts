import type { KnownKeys } from "../../../src/api/guards.ts";
import { openDatabase } from "../../../src/database/pool.ts";
import type { App } from "../../../src/http/app-env.ts";
import { createApp } from "../../../src/http/app.ts";
import { expectKey, type KeyOnly, requireKey } from "../../../src/http/authentication.ts";
import { createKeyLookup } from "../../../src/http/key-lookup.ts";
import { type Served, startServer } from "../../../src/http/server.ts";
import { createLog, type Log } from "../../../src/log.ts";
import { spareMemory } from "../../../src/process/spare-memory.ts";
import type pg from "pg";
import { variable } from "./peer-variable.ts";

/** Like the API's own. */
const connectionsMax = 10;
const readingsMaxAgeDays = 365;

export const limits = { maxAgeDays: readingsMaxAgeDays };

export type Peer = { app: App; pool: pg.Pool; log: Log; mayWrite: KeyOnly; keys: KnownKeys };

/** An app with our own HTTP layer, authentication and pool, so that a peer differs in nothing but how it stores. */
export function createPeer(name: string): Peer {
  const log = createLog({ level: "info", service: name });
  const connectionString = variable("DATABASE_URL");
  const { db, pool } = openDatabase({ connectionString, applicationName: name, connectionsMax }, log);
  const findKey = createKeyLookup({ db });
  const keys = { recall: findKey.recall, limitRequests: undefined, expectKey: expectKey(findKey) };
  return { app: createApp({ log }), pool, log, mayWrite: requireKey({ findKey, scope: "ingest" }), keys };
}

/** Serves a peer as our API is served, on the port that the bench gave it. */
export async function servePeer(app: Served): Promise<void> {
  spareMemory();
  await startServer(app, { host: "127.0.0.1", port: Number(variable("PORT")) });
}
