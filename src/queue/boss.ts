import { type Db as BossDb, PgBoss, fromKysely } from "pg-boss";
import type { Db, Trx } from "../database/db.ts";
import { newConnections } from "../database/new-connection.ts";
import { createWatchedSocket } from "../database/watched-socket.ts";
import type { Log } from "../log.ts";
import { queueSchema } from "./queue-schema.ts";
import { steadyClock } from "./steady-clock.ts";

/** Longer than any statement of pg-boss takes, except when it changes its schema. */
const silenceMsMax = 120_000;

/**
 * A bound on the active jobs of a group that none reaches, for every fetch that needs no bound. With one, pg-boss hands the
 * ids that it chose to its update as a list. Without one it joins them to the queue, and where the last analyze saw none of
 * the queue's jobs, Postgres compares each id with each job (7 s for 1,000 ids of 20,000 jobs, in place of 60 ms).
 */
export const noGroupBound = 1_000_000;

/** The machine's clock is compared by heartbeats. pg-boss compares its own, which keeps what was wrong when it began. */
const isAboutClocks = /^Warning: Clock skew /;

export type BossOptions = {
  databaseUrl: string;
  /** `worker` watches over jobs and fires the crons; `api` only sends; `migrate` may change pg-boss's schema. */
  role: "worker" | "api" | "migrate";
  connectionsMax: number;
  /**
   * A newer pg-boss than ours made the schema. Ours refuses to start on it, except where it may migrate: forward only.
   */
  isSchemaAhead?: boolean;
};

/** Creates pg-boss for one process; nothing connects before `start()`. Its errors are logged, never thrown. */
export function createBoss(options: BossOptions, log: Log): PgBoss {
  const boss = new PgBoss({
    connectionString: options.databaseUrl,
    application_name: `meter-outbox ${options.role} pg-boss`,
    schema: queueSchema,
    max: options.connectionsMax,
    // A worker reads heads of queues; a change of the schema takes as long as it takes.
    ...newConnections({
      plansByIndex: options.role === "worker",
      ...(options.role === "migrate" && { statementTimeoutMs: 0 }),
    }),
    // pg-boss passes unknown options on to pg.
    ...(options.role !== "migrate" && { stream: () => createWatchedSocket(silenceMsMax) }),
    migrate: options.role === "migrate" || options.isSchemaAhead === true,
    createSchema: options.role === "migrate",
    supervise: options.role === "worker",
    schedule: options.role === "worker",
    clock: steadyClock,
    // How far its clock is from the database's, by which crons fire: a machine that slept has missed some of it.
    clockMonitorIntervalSeconds: 60,
    // The job of a killed worker is fetched again within its lease and one pass.
    superviseIntervalSeconds: 10,
    monitorIntervalSeconds: 10,
  });
  boss.on("error", (error) => log.warn({ event: "queue_error", message: error.message }));
  boss.on("warning", ({ message }) => {
    if (!isAboutClocks.test(message)) log.warn({ event: "queue_warning", message });
  });
  return boss;
}

/** Lets pg-boss write inside our own transaction. */
export function insideTransaction(trx: Trx): BossDb {
  return fromKysely(trx);
}

/** Lets pg-boss use our own connections. */
export function onConnectionsOf(db: Db): BossDb {
  return fromKysely(db);
}
