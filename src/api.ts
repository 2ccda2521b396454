import type { PgBoss } from "pg-boss";
import { readApiConfig } from "./config.ts";
import { openDatabase } from "./database/pool.ts";
import { startServer } from "./http/server.ts";
import { endAfterGrace, untilStopSignal } from "./http/stop-signal.ts";
import { createLog } from "./log.ts";
import { createApiApp } from "./ops/api-app.ts";
import { awaitSchema } from "./ops/await-schema.ts";
import { createProcessRegistry } from "./ops/metrics/registry.ts";
import { createBoss } from "./queue/boss.ts";
import { startTracing } from "./tracing/start-tracing.ts";

const connectionsMax = 10;
const queueConnectionsMax = 2;
const strangersConnectionsMax = 2;
/** A gateway gets its answer, a 503 if need be, before it gives up waiting: five seconds after this at the latest. */
const statementTimeoutMs = 15_000;

const config = readApiConfig();
const tracing = await startTracing(config, {
  service: "api",
  log: createLog({ level: config.LOG_LEVEL, service: "api" }),
});
const { log, tracer } = tracing;
const database = openDatabase(
  {
    connectionString: config.DATABASE_URL,
    applicationName: "meter-outbox api",
    connectionsMax,
    statementTimeoutMs,
  },
  log,
);
const strangers = openDatabase(
  {
    connectionString: config.DATABASE_URL,
    applicationName: "meter-outbox api, unknown keys",
    connectionsMax: strangersConnectionsMax,
    statementTimeoutMs,
  },
  log,
);

const stopSignal = untilStopSignal();

try {
  const start = await Promise.race([awaitSchema({ db: database.db, log }), stopSignal]);
  if (start === true) await serveUntilStopped();
  if (start === false) process.exitCode = 1;
} catch (error) {
  log.error({ event: "api_failed", error });
  process.exitCode = 1;
} finally {
  await Promise.all([database.close(), strangers.close()]);
}

async function serveUntilStopped(): Promise<void> {
  const boss = createBoss(
    { databaseUrl: config.DATABASE_URL, role: "api", connectionsMax: queueConnectionsMax },
    log,
  );
  await boss.start();
  try {
    await serve(boss);
  } finally {
    await boss.stop({ graceful: false });
  }
}

async function serve(boss: PgBoss): Promise<void> {
  const app = createApiApp({
    db: database.db,
    pool: database.pool,
    strangersDb: strangers.db,
    boss,
    log,
    adminToken: config.ADMIN_TOKEN,
    readingsMaxAgeDays: config.READINGS_MAX_AGE_DAYS,
    webhookSecrets: config.STRIPE_WEBHOOK_SECRET,
    rateLimits: {
      requestsPerSecond: config.RATE_LIMIT_REQUESTS_PER_SECOND,
      readingsPerSecond: config.RATE_LIMIT_READINGS_PER_SECOND,
    },
    registry: createProcessRegistry("api"),
    tracer,
  });
  const limits = { connectionsMax: config.HTTP_CONNECTIONS_MAX };
  const server = await startServer(app, { host: config.HOST, port: config.PORT, limits });
  log.info({ event: "api_started", host: config.HOST, port: server.port });

  const signal = await stopSignal;
  log.info({ event: "api_stopping", signal });
  const graceMs = config.SHUTDOWN_GRACE_SECONDS * 1_000;
  const endsAtMs = performance.now() + graceMs;
  endAfterGrace(graceMs, log);
  const { cut } = await server.stop(graceMs);
  await tracing.stop(endsAtMs - performance.now());
  log.info({ event: "api_stopped", requests_cut: cut });
}
