import pg from "pg";
import type { Log } from "../log.ts";
import { askNodeOf } from "./ask-node-of.ts";
import type { Db } from "./db.ts";
import { keepPlans } from "./keep-plans.ts";
import { createQueryBuilder } from "./query-builder.ts";
import { newConnections } from "./new-connection.ts";
import { createWatchedSocket } from "./watched-socket.ts";
import { createRenewal } from "./renewal.ts";
import { createShards } from "./shards.ts";
import { askThrough } from "./shards-of.ts";
import { createSilentNodes } from "./silent-nodes.ts";

export type Database = {
  db: Db;
  pool: pg.Pool;
  /** Ends all open connections, each as soon as it is idle, once a second at most; later queries open new ones. */
  renew: () => void;
  close: () => Promise<void>;
};

export type PoolOptions = {
  connectionString: string;
  applicationName: string;
  connectionsMax: number;
  /** How long to wait for a free or new connection before failing. */
  connectTimeoutMs?: number;
  /** 0: no limit; the pool waits as long as the server does not answer. */
  statementTimeoutMs?: number;
  /** How long a statement waits for a lock before it fails; without it, as long as the statement may take. */
  lockWaitMsMax?: number;
  /** How much later than its own timeout a statement's answer may come before the connection counts as lost. */
  answerDelayMsMax?: number;
  /** Connections plan by index as long as they live, which spares a transaction the trip that would tell them. */
  plansByIndex?: boolean;
  /** They also plan once what begins with `keptPlan`. */
  keepsPlans?: boolean;
};

const idleMsMax = 10_000;

/**
 * Opens a pool of connections and Kysely on top of it. The first query connects. A connection that breaks while idle is
 * logged and replaced, and so is one that leads to a server which may only be read. When the server does not answer
 * within a statement's timeout and five seconds more, the statement fails as if the connection had broken: the timeout
 * itself runs on the server, which may be frozen or gone.
 */
export function openDatabase(options: PoolOptions, log: Log): Database {
  const { statementTimeoutMs = 30_000, answerDelayMsMax = 5_000 } = options;
  const { plansByIndex = false, keepsPlans = false } = options;
  const silenceMs = statementTimeoutMs + answerDelayMsMax;
  const pool = new pg.Pool({
    connectionString: options.connectionString,
    application_name: options.applicationName,
    max: options.connectionsMax,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 5_000,
    // Shorter than the silence that counts as a lost server.
    idleTimeoutMillis: Math.min(idleMsMax, silenceMs / 2),
    ...(statementTimeoutMs > 0 && { stream: () => createWatchedSocket(silenceMs) }),
    keepAlive: true,
    ...newConnections({ statementTimeoutMs, lockWaitMsMax: options.lockWaitMsMax, plansByIndex }),
  });
  if (keepsPlans) pool.on("connect", keepPlans);
  const renewal = createRenewal(pool);
  pool.on("connect", renewal.watch);
  // Ends a connection when it is given back; Kysely does not report errors on it.
  pool.on("release", (_error, client) => {
    if (renewal.isDue(client)) void client.end();
  });
  pool.on("error", (error) => log.warn({ event: "database_connection_lost", message: error.message }));
  const plain = createQueryBuilder(pool);
  const silent = createSilentNodes((organizationId) => askNodeOf(plain, organizationId));
  const shards = { ...createShards(askThrough(plain)), silent };
  const db: Db = Object.assign(plain, { shards, ...(plansByIndex && { plansByIndex }) });
  return { db, pool, renew: renewal.renewAll, close: () => db.destroy() };
}
