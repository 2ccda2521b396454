import { every } from "hono/combine";
import type pg from "pg";
import type { PgBoss } from "pg-boss";
import { Registry } from "prom-client";
import { apiProblemOf } from "./failure.ts";
import { mountStripeEvents } from "./stripe-events/stripe-events-route.ts";
import { mountWebhook } from "./webhooks/webhook-route.ts";
import { mountSubscriptions } from "./organizations/subscription-route.ts";
import { mountReconcile } from "./organizations/reconcile-route.ts";
import { mountStatements } from "./organizations/statements-route.ts";
import { mountUnlink } from "./organizations/unlink-route.ts";
import type { Db } from "../database/db.ts";
import type { App } from "../http/app-env.ts";
import { createApp } from "../http/app.ts";
import { HeldBytes } from "../http/held-bytes.ts";
import { holdInShare, strangers, webhooks } from "../http/hold-bytes.ts";
import { billableByDefault } from "../usage/subscription-statuses.ts";
import { mountHome } from "../http/home-page.ts";
import { limitReadings } from "../http/rate-limit.ts";
import { takeBody } from "../http/take-body.ts";
import { createGroupCommit } from "../intake/group-commit.ts";
import { createGuards, type Guards } from "./guards.ts";
import { mountReadings } from "./readings/readings-route.ts";
import { mountSensors } from "./sensors/sensors-route.ts";
import type { Log } from "../log.ts";
import { type Tracer, untraced } from "../tracing/tracer.ts";
import { mountApiKeys } from "./organizations/api-keys-route.ts";
import { mountHealth, type ReadinessCheck } from "../monitoring/health.ts";
import { homes } from "../http/homes.ts";
import { thinOut } from "../http/thin-log.ts";
import { mountMeterEventReadings } from "./meter-events/meter-event-readings-route.ts";
import { mountMeterEvents } from "./meter-events/meter-events-route.ts";
import { countRequests } from "../monitoring/metrics/http-metrics.ts";
import { showHeldBytes } from "../monitoring/metrics/held-metrics.ts";
import { countReadings } from "../monitoring/metrics/intake-metrics.ts";
import { countWebhooks } from "../monitoring/metrics/webhook-metrics.ts";
import type { Pools } from "../monitoring/metrics/pool-metrics.ts";
import { mountMetrics } from "../monitoring/metrics/metrics-route.ts";
import { mountOpenApi } from "./openapi/openapi-route.ts";
import { mountOrganizations } from "./organizations/organizations-route.ts";
import { mountOutbox } from "./outbox/outbox-route.ts";
import { createReadinessCheck } from "../monitoring/readiness.ts";
import { mountReadingsList } from "./readings/readings-list-route.ts";
import { mountOrganizationUsage, mountUsage } from "./usage/usage-route.ts";
import { mountUsageSummary } from "./usage/usage-summary-route.ts";

const reconcileWaitMsMax = 20_000;

export type ApiAppOptions = {
  db: Db;
  pool: pg.Pool;
  /** What metrics show of the process's connections; `pool` alone when left out. */
  pools?: Pools;
  /** A few connections for API keys that were not seen before; `db`'s own when left out. */
  unknownKeysDb?: Db;
  /** A few connections for operators' requests; `db`'s own when left out. */
  operatorsDb?: Db;
  /** Only sends; the API never runs a job. */
  boss: PgBoss;
  log: Log;
  adminToken: string;
  /** Further texts that must not reach the log: the console's tokens. */
  otherSecrets?: readonly string[];
  /** Whether the console stands beside it, for the front door to name. */
  hasConsole?: boolean;
  readingsMaxAgeDays: number;
  webhookSecrets: readonly string[];
  /** The organizations of these statuses have their sensors counted by the workers; the default when left out. */
  billableStatuses?: readonly string[];
  /** For each API key, in this process; 0 or left out: no limit. */
  rateLimits?: { requestsPerSecond?: number; readingsPerSecond?: number };
  /** The bytes that the process holds for its clients; the same object as the server's. */
  held?: HeldBytes;
  /** How long a comparison may take before it is answered later; 20 seconds when left out. */
  reconcileWaitMs?: number;
  /** Whether the process can do its work; asked of `db` when left out. */
  readiness?: ReadinessCheck;
  /** The process's metrics; a registry of the app's own when left out. */
  registry?: Registry;
  tracer?: Tracer | undefined;
};

/** The whole HTTP API, without a socket: `app.request(…)` asks it, `startServer` serves it. */
export function createApiApp(options: ApiAppOptions): App {
  const { log, adminToken, held = new HeldBytes(), registry = new Registry(), tracer = untraced } = options;
  const app = createApp({
    log,
    problemOf: apiProblemOf,
    held,
    secrets: [adminToken, ...options.webhookSecrets, ...(options.otherSecrets ?? [])],
    onAnswered: countRequests(registry),
    tracer,
  });
  showHeldBytes(registry, held);
  const { requestsPerSecond = 0 } = options.rateLimits ?? {};
  const guards = createGuards(app, { ...options, requestsPerSecond, held });
  const parts = { billableStatuses: billableByDefault, ...options, held, registry, tracer };
  mountMonitoring(app, parts);
  mountRoutesOfCustomers(app, guards, parts);
  mountRoutesOfOperators(app, guards, parts);
  mountStripesWebhook(app, parts);
  for (const open of ["/", "/openapi.json", "/docs", "/docs/*"]) app.use(open, holdInShare(held, strangers));
  mountHome(app, options.hasConsole === true ? homes.apiWithConsole : homes.api);
  mountOpenApi(app);
  return app;
}

type Parts = ApiAppOptions &
  Required<Pick<ApiAppOptions, "billableStatuses" | "held" | "registry">> & { tracer: Tracer };

function mountMonitoring(app: App, parts: Parts): void {
  const { db, pools = { main: parts.pool } } = parts;
  mountHealth(app, { check: parts.readiness ?? createReadinessCheck({ db, renew: () => {} }, "api") });
  mountMetrics(app, { ...parts, pools });
}

function mountRoutesOfCustomers(app: App, { keyWith, inTurn, keys }: Guards, parts: Parts): void {
  const { db, pool, log, tracer, registry } = parts;
  const mayRead = every(keyWith("read"), inTurn);
  mountReadings(app, {
    store: createGroupCommit(pool, { tracer }),
    log: thinOut(log),
    now: () => new Date(),
    limits: { maxAgeDays: parts.readingsMaxAgeDays },
    onStored: countReadings(registry),
    readingsLimit: limitReadings(parts.rateLimits?.readingsPerSecond ?? 0),
    mayWrite: keyWith("ingest"),
    keys,
  });
  mountReadingsList(app, { db, mayRead });
  mountUsage(app, { db, mayRead });
  mountSensors(app, { db, mayWrite: every(keyWith("ingest"), takeBody, inTurn), mayRead });
}

function mountRoutesOfOperators(app: App, { adminOnly }: Guards, parts: Parts): void {
  const deps = { ...parts, db: parts.operatorsDb ?? parts.db, adminOnly };
  mountOrganizationUsage(app, deps);
  mountUsageSummary(app, deps);
  mountOrganizations(app, deps);
  mountSubscriptions(app, deps);
  mountUnlink(app, deps);
  mountStatements(app, deps);
  mountApiKeys(app, deps);
  mountReconcile(app, { reconcileWaitMs: reconcileWaitMsMax, ...deps });
  mountStripeEvents(app, deps);
  mountOutbox(app, deps);
  mountMeterEvents(app, deps);
  mountMeterEventReadings(app, deps);
}

function mountStripesWebhook(app: App, parts: Parts): void {
  const { db, boss, log, held, tracer, registry } = parts;
  mountWebhook(app, {
    db,
    boss,
    secrets: parts.webhookSecrets,
    now: () => new Date(),
    held: held.shareOf(webhooks),
    log,
    counts: countWebhooks(registry),
    tracer,
  });
}
