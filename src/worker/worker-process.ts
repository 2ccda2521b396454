import { readWorkerConfig, type WorkerConfig } from "../config.ts";
import { type Database, openDatabase } from "../database/pool.ts";
import { createApp } from "../http/app.ts";
import { mountHome } from "../http/home-page.ts";
import { boundByFiles, readFilesMax } from "../http/open-files.ts";
import { type RunningServer, startServer } from "../http/server.ts";
import { createLog, type Log } from "../log.ts";
import { watchAlerts } from "../monitoring/alerts/watch-alerts.ts";
import { awaitSchema } from "../migrate/await-schema.ts";
import { mountHealth } from "../monitoring/health.ts";
import { homes } from "../http/homes.ts";
import { startHeartbeat } from "../monitoring/heartbeat.ts";
import { countLostLines } from "../monitoring/metrics/log-metrics.ts";
import { mountMetrics } from "../monitoring/metrics/metrics-route.ts";
import { createProcessRegistry } from "../monitoring/metrics/registry.ts";
import { createReadinessCheck } from "../monitoring/readiness.ts";
import { boundMemory } from "./bound-memory.ts";
import { type RunningJobs, startJobs } from "./worker-jobs.ts";
import { endAfterGrace } from "../process/end-after-grace.ts";
import type { StopSignals } from "../process/stop-signals.ts";
import type { Repeating } from "../process/wait.ts";
import { startTracing, type Tracing } from "../tracing/start-tracing.ts";

const connectionsMax = 8;
/** Probes and heartbeats: they wait for no job, and give up before the prober does. */
const probesConnectionsMax = 1;
const probeTimeoutMs = 2_000;
/** Of clients that probe and measure. */
const httpConnectionsMax = 500;

type Parts = {
  config: WorkerConfig;
  tracing: Tracing;
  log: Log;
  database: Database;
  probes: Database;
  registry: ReturnType<typeof createProcessRegistry>;
};

/** Works until a signal. Without the schema, or after a failure, it ends with a line and exit code 1. */
export async function runWorker(stop: StopSignals): Promise<void> {
  boundMemory();
  const config = readWorkerConfig();
  const registry = createProcessRegistry("worker");
  const tracing = await startTracing(config, {
    service: "worker",
    log: createLog({ level: config.LOG_LEVEL, service: "worker", onLost: countLostLines(registry) }),
  });
  const { log } = tracing;
  const database = openDatabase(
    { connectionString: config.DATABASE_URL, applicationName: "meter-outbox worker", connectionsMax },
    log,
  );
  const probes = openDatabase(
    {
      connectionString: config.DATABASE_URL,
      applicationName: "meter-outbox worker, probes",
      connectionsMax: probesConnectionsMax,
      connectTimeoutMs: probeTimeoutMs,
      statementTimeoutMs: probeTimeoutMs,
    },
    log,
  );
  const parts = { config, tracing, log, database, probes, registry };
  try {
    if (await awaitSchema({ db: database.db, log })) await workUntilStopped(parts, stop);
    else process.exitCode = 1;
  } catch (error) {
    log.error({ event: "worker_failed", error });
    // At once: pg-boss and other parts that have started would go on for ever.
    process.exit(1);
  }
  await Promise.all([database.close(), probes.close()]);
}

async function workUntilStopped(parts: Parts, stop: StopSignals): Promise<void> {
  const { config, tracing, log, database, registry } = parts;
  // First, so that a port that is taken is found while there is nothing to finish.
  const server = await serveHealth(parts);
  const jobs = await startJobs({ db: database.db, log, registry, tracer: tracing.tracer }, config);
  // Sending begins in the last step of startJobs, and no signal is heard between that and this.
  const stopSignal = stop.takeOver();
  const heartbeat = startHeartbeat(
    { db: parts.probes.db, log },
    {
      kind: "worker",
      transport: config.DELIVERY_TRANSPORT,
      closeGate: config.CLOSE_GATE,
      readRate: jobs.readRate,
    },
  );
  const url = config.ALERT_WEBHOOK_URL;
  const alerts =
    url === undefined
      ? undefined
      : watchAlerts({ db: database.db, log, registry, billableStatuses: config.BILLABLE_STATUSES }, { url });
  log.info({ event: "worker_started", port: server?.port ?? null });
  log.info({ event: "worker_stopping", signal: await stopSignal });
  await stopWork({ ...parts, stop, jobs, alerts, server });
  await heartbeat.stop();
  log.info({ event: "worker_stopped" });
}

async function stopWork({
  config,
  log,
  tracing,
  stop,
  jobs,
  alerts,
  server,
}: Parts & {
  stop: StopSignals;
  jobs: RunningJobs;
  alerts: Repeating | undefined;
  server: RunningServer | undefined;
}): Promise<void> {
  const graceMs = config.SHUTDOWN_GRACE_SECONDS * 1_000;
  const endsAtMs = performance.now() + graceMs;
  endAfterGrace(stop, graceMs, log);
  await server?.stop(0);
  await Promise.all([jobs.stop(graceMs), alerts?.stop()]);
  await tracing.stop(endsAtMs - performance.now());
}

async function serveHealth({
  config,
  log,
  database,
  probes,
  registry,
}: Parts): Promise<RunningServer | undefined> {
  if (config.WORKER_PORT === 0) return undefined;
  const app = createApp({ log });
  mountHome(app, homes.worker);
  mountHealth(app, {
    check: createReadinessCheck(
      { db: probes.db, renew: () => [probes, database].forEach(({ renew }) => renew()) },
      "worker",
    ),
  });
  mountMetrics(app, {
    registry,
    db: database.db,
    pools: { main: database.pool, probes: probes.pool },
    log,
    billableStatuses: config.BILLABLE_STATUSES,
  });
  const wanted = { connectionsMax: httpConnectionsMax, filesMax: readFilesMax() };
  const limits = { connectionsMax: boundByFiles(wanted, log) };
  return startServer(app, { host: config.HOST, port: config.WORKER_PORT, limits });
}
