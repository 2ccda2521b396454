import type { PgBoss } from "pg-boss";
import type { Registry } from "prom-client";
import { type ApiConfig, readApiConfig } from "../config.ts";
import { type Database, openDatabase } from "../database/pool.ts";
import type { App } from "../http/app-env.ts";
import { HeldBytes } from "../http/held-bytes.ts";
import { boundByFiles, readFilesMax } from "../http/open-files.ts";
import { type RunningServer, startServer } from "../http/server.ts";
import { createLog, type Log } from "../log.ts";
import { createApiApp } from "./api-app.ts";
import type { LoadConsole } from "./console-parts.ts";
import { awaitSchema } from "../migrate/await-schema.ts";
import { watchAlerts } from "../monitoring/alerts/watch-alerts.ts";
import { startHeartbeat } from "../monitoring/heartbeat.ts";
import { countLostLines } from "../monitoring/metrics/log-metrics.ts";
import { createProcessRegistry } from "../monitoring/metrics/registry.ts";
import { createReadinessCheck } from "../monitoring/readiness.ts";
import { endAfterGrace } from "../process/end-after-grace.ts";
import { spareMemory } from "../process/spare-memory.ts";
import type { StopSignals } from "../process/stop-signals.ts";
import { startBoss } from "../queue/start-boss.ts";
import { startTracing, type Tracing } from "../tracing/start-tracing.ts";

const connectionsMax = 10;
const queueConnectionsMax = 2;
const unknownKeysConnectionsMax = 2;
const operatorsConnectionsMax = 4;
/** Probes and heartbeats: they wait for no request, and give up before the prober does. */
const probesConnectionsMax = 1;
const probeTimeoutMs = 2_000;
/** A gateway gets its answer, a 503 if need be, before it gives up waiting: five seconds after this at the latest. */
const statementTimeoutMs = 15_000;

type Parts = {
  config: ApiConfig;
  tracing: Tracing;
  log: Log;
  registry: Registry;
  database: Database;
  /** To look up API keys that were not seen before, so that a flood of wrong keys makes no customer wait. */
  unknownKeys: Database;
  /** For operators' requests and the console, so that however many there are, gateways' readings do not wait for them. */
  operators: Database;
  probes: Database;
  loadConsole: LoadConsole;
};

/** Serves until a signal. Without the schema, or after a failure, it ends with a line and exit code 1. */
export async function runApi(stop: StopSignals, loadConsole: LoadConsole): Promise<void> {
  const config = readApiConfig();
  spareMemory();
  const registry = createProcessRegistry("api");
  const tracing = await startTracing(config, {
    service: "api",
    log: createLog({ level: config.LOG_LEVEL, service: "api", onLost: countLostLines(registry) }),
  });
  const { log } = tracing;
  const parts = { config, tracing, log, registry, ...openDatabases(config, log) };
  try {
    if (await awaitSchema({ db: parts.database.db, log }))
      await serveUntilStopped({ ...parts, loadConsole }, stop);
    else process.exitCode = 1;
  } catch (error) {
    log.error({ event: "api_failed", error });
    // At once: pg-boss and other parts that have started would go on for ever.
    process.exit(1);
  }
  const { database, unknownKeys, operators, probes } = parts;
  await Promise.all([database, unknownKeys, operators, probes].map(({ close }) => close()));
}

type Databases = Pick<Parts, "database" | "unknownKeys" | "operators" | "probes">;

function openDatabases(config: ApiConfig, log: Log): Databases {
  const connectionString = config.DATABASE_URL;
  return {
    database: openDatabase(
      { connectionString, applicationName: "meter-outbox api", connectionsMax, statementTimeoutMs },
      log,
    ),
    unknownKeys: openDatabase(
      {
        connectionString,
        applicationName: "meter-outbox api, unknown keys",
        connectionsMax: unknownKeysConnectionsMax,
        statementTimeoutMs,
      },
      log,
    ),
    operators: openDatabase(
      {
        connectionString,
        applicationName: "meter-outbox api, operators",
        connectionsMax: operatorsConnectionsMax,
        statementTimeoutMs,
      },
      log,
    ),
    probes: openDatabase(
      {
        connectionString,
        applicationName: "meter-outbox api, probes",
        connectionsMax: probesConnectionsMax,
        connectTimeoutMs: probeTimeoutMs,
        statementTimeoutMs: probeTimeoutMs,
      },
      log,
    ),
  };
}

async function serveUntilStopped(parts: Parts, stop: StopSignals): Promise<void> {
  const { config, log, tracing, registry } = parts;
  const boss = await startBoss(
    { db: parts.database.db, log },
    { databaseUrl: config.DATABASE_URL, role: "api", connectionsMax: queueConnectionsMax },
  );
  const server = await serve(parts, boss);
  const heartbeat = startHeartbeat({ db: parts.probes.db, log }, { kind: "api" });
  const url = config.ALERT_WEBHOOK_URL;
  // The API watches too, because no worker can tell that all workers are gone.
  const alerts =
    url === undefined
      ? undefined
      : watchAlerts(
          { db: parts.database.db, log, registry, billableStatuses: config.BILLABLE_STATUSES },
          { url },
        );
  const stopSignal = stop.takeOver();
  log.info({ event: "api_started", host: config.HOST, port: server.port });

  log.info({ event: "api_stopping", signal: await stopSignal });
  const graceMs = config.SHUTDOWN_GRACE_SECONDS * 1_000;
  const endsAtMs = performance.now() + graceMs;
  endAfterGrace(stop, graceMs, log);
  const [{ cut }] = await Promise.all([server.stop(graceMs), alerts?.stop()]);
  await heartbeat.stop();
  await tracing.stop(endsAtMs - performance.now());
  await boss.stop({ graceful: false });
  log.info({ event: "api_stopped", requests_cut: cut });
}

async function serve(parts: Parts, boss: PgBoss): Promise<RunningServer> {
  const { config, log, tracing, database, unknownKeys, operators, probes, registry } = parts;
  const held = new HeldBytes(config.HELD_BYTES_MAX);
  const app = createApiApp({
    db: database.db,
    pool: database.pool,
    pools: {
      main: database.pool,
      operators: operators.pool,
      unknown_keys: unknownKeys.pool,
      probes: probes.pool,
    },
    unknownKeysDb: unknownKeys.db,
    operatorsDb: operators.db,
    readiness: createReadinessCheck(
      {
        db: probes.db,
        renew: () => [probes, database, unknownKeys, operators].forEach(({ renew }) => renew()),
      },
      "api",
    ),
    boss,
    log,
    adminToken: config.ADMIN_TOKEN,
    otherSecrets: [config.CONSOLE_TOKEN, config.CONSOLE_SIGN_IN_CODE].filter(
      (secret) => secret !== undefined,
    ),
    hasConsole: config.CONSOLE === "on",
    readingsMaxAgeDays: config.READINGS_MAX_AGE_DAYS,
    webhookSecrets: config.STRIPE_WEBHOOK_SECRET,
    billableStatuses: config.BILLABLE_STATUSES,
    rateLimits: {
      requestsPerSecond: config.RATE_LIMIT_REQUESTS_PER_SECOND,
      readingsPerSecond: config.RATE_LIMIT_READINGS_PER_SECOND,
    },
    held,
    registry,
    tracer: tracing.tracer,
  });
  if (config.CONSOLE === "on") await serveConsole(app, parts, boss);
  const wanted = { connectionsMax: config.HTTP_CONNECTIONS_MAX, filesMax: readFilesMax() };
  const limits = { connectionsMax: boundByFiles(wanted, log) };
  return startServer(app, { host: config.HOST, port: config.PORT, limits, held });
}

async function serveConsole(
  app: App,
  { config, log, operators, loadConsole }: Parts,
  boss: PgBoss,
): Promise<void> {
  const { mountConsole } = await loadConsole();
  await mountConsole(app, {
    db: operators.db,
    boss,
    log,
    adminToken: config.ADMIN_TOKEN,
    consoleToken: config.CONSOLE_TOKEN,
    signInCode: config.CONSOLE_SIGN_IN_CODE,
    billableStatuses: config.BILLABLE_STATUSES,
    now: () => new Date(),
  });
}
