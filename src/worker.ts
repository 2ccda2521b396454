import { setFlagsFromString } from "node:v8";
import { readWorkerConfig } from "./config.ts";
import { openDatabase } from "./database/pool.ts";
import { createApp } from "./http/app.ts";
import { type RunningServer, startServer } from "./http/server.ts";
import { endAfterGrace, untilStopSignal } from "./http/stop-signal.ts";
import { createLog } from "./log.ts";
import { awaitSchema } from "./ops/await-schema.ts";
import { databaseChecks } from "./ops/database-checks.ts";
import { mountHealth } from "./ops/health.ts";
import { mountMetrics } from "./ops/metrics/metrics-route.ts";
import { createProcessRegistry } from "./ops/metrics/registry.ts";
import { startJobs } from "./ops/worker-jobs.ts";
import { startTracing } from "./tracing/start-tracing.ts";

const connectionsMax = 8;

// On a machine with much memory V8 lets its space for young objects grow to 128 MiB, and the old ones to several times what
// lives, which is 25 MiB here. The first stays as large as loading this program has made it, 32 MiB; a third is added to
// the second before it is collected again.
setFlagsFromString("--semi-space-growth-factor=1");
setFlagsFromString("--heap-growing-percent=30");

const config = readWorkerConfig();
const tracing = await startTracing(config, {
  service: "worker",
  log: createLog({ level: config.LOG_LEVEL, service: "worker" }),
});
const { log, tracer } = tracing;
const database = openDatabase(
  { connectionString: config.DATABASE_URL, applicationName: "meter-outbox worker", connectionsMax },
  log,
);

const registry = createProcessRegistry("worker");
const stopSignal = untilStopSignal();

try {
  const start = await Promise.race([awaitSchema({ db: database.db, log }), stopSignal]);
  if (start === true) await workUntilStopped();
  if (start === false) process.exitCode = 1;
} catch (error) {
  log.error({ event: "worker_failed", error });
  process.exitCode = 1;
} finally {
  await database.close();
}

async function workUntilStopped(): Promise<void> {
  const jobs = await startJobs({ db: database.db, log, registry, tracer }, config);
  const graceMs = config.SHUTDOWN_GRACE_SECONDS * 1_000;
  let endsAtMs = performance.now() + graceMs;
  try {
    const server = await serveHealth();
    log.info({ event: "worker_started", port: server?.port ?? null });
    const signal = await stopSignal;
    log.info({ event: "worker_stopping", signal });
    endsAtMs = performance.now() + graceMs;
    endAfterGrace(graceMs, log);
    await server?.stop(0);
  } finally {
    await jobs.stop(graceMs);
    await tracing.stop(endsAtMs - performance.now());
  }
  log.info({ event: "worker_stopped" });
}

async function serveHealth(): Promise<RunningServer | undefined> {
  if (config.WORKER_PORT === 0) return undefined;
  const app = createApp({ log });
  mountHealth(app, { checks: databaseChecks(database.db) });
  mountMetrics(app, { registry, db: database.db, pool: database.pool, log });
  return startServer(app, { host: config.HOST, port: config.WORKER_PORT });
}
