import { every } from "hono/combine";
import type pg from "pg";
import type { PgBoss } from "pg-boss";
import { Registry } from "prom-client";
import { apiProblemOf } from "./failure.ts";
import { mountStripeEvents } from "./stripe-events/stripe-events-route.ts";
import { mountWebhook } from "./webhooks/webhook-route.ts";
import { mountSubscriptions } from "./organizations/subscription-route.ts";
import { mountUnlink } from "./organizations/unlink-route.ts";
import type { Db } from "../database/db.ts";
import type { Scope } from "../http/api-key.ts";
import { type App, createApp } from "../http/app.ts";
import { type KeyOnly, requireAdmin, requireKey } from "../http/authentication.ts";
import { HeldBytes } from "../http/held-bytes.ts";
import { billableByDefault } from "../usage/subscription-statuses.ts";
import { mountHome } from "../http/home-page.ts";
import { createKeyLookup } from "../http/key-lookup.ts";
import { refuseUnknownQuery } from "../http/known-query.ts";
import { limitReadings, limitRequests } from "../http/rate-limit.ts";
import { bodyBytesMax, takeBody } from "../http/take-body.ts";
import { createGroupCommit } from "../intake/group-commit.ts";
import { mountReadings } from "./readings/readings-route.ts";
import { mountSensors } from "./sensors/sensors-route.ts";
import type { Log } from "../log.ts";
import { type Tracer, untraced } from "../tracing/tracer.ts";
import { mountApiKeys } from "./organizations/api-keys-route.ts";
import { mountHealth, type ReadinessCheck } from "../monitoring/health.ts";
import { homes } from "../http/homes.ts";
import { mountMeterEventReadings } from "./meter-events/meter-event-readings-route.ts";
import { mountMeterEvents } from "./meter-events/meter-events-route.ts";
import { countRequests } from "../monitoring/metrics/http-metrics.ts";
import { showHeldBytes } from "../monitoring/metrics/held-metrics.ts";
import { countReadings } from "../monitoring/metrics/intake-metrics.ts";
import { countWebhooks } from "../monitoring/metrics/webhook-metrics.ts";
import { mountMetrics } from "../monitoring/metrics/metrics-route.ts";
import { mountOpenApi } from "./openapi/openapi-route.ts";
import { mountOrganizations } from "./organizations/organizations-route.ts";
import { mountOutbox } from "./outbox/outbox-route.ts";
import { createReadinessCheck } from "../monitoring/readiness.ts";
import { mountReadingsList } from "./readings/readings-list-route.ts";
import { mountUsage } from "./usage/usage-route.ts";
import { mountUsageSummary } from "./usage/usage-summary-route.ts";

/** The webhook's share of what may be held: its bodies come from strangers, who must not keep customers out. */
const strangersShare = 1 / 4;

export type ApiAppOptions = {
  db: Db;
  pool: pg.Pool;
  /** A few connections for API keys that were not seen before; `db`'s own when left out. */
  strangersDb?: Db;
  /** Only sends; the API never runs a job. */
  boss: PgBoss;
  log: Log;
  adminToken: string;
  readingsMaxAgeDays: number;
  webhookSecrets: readonly string[];
  /** Whose sensors the workers count; the usual ones when left out. */
  billableStatuses?: readonly string[];
  /** For each API key, in this process; 0 or left out is no limit. */
  rateLimits?: { requestsPerSecond?: number; readingsPerSecond?: number };
  /** What the process holds for its clients; the same as the server's. */
  held?: HeldBytes;
  /** Whether the process can do its work; asked of `db` when left out. */
  readiness?: ReadinessCheck;
  /** Of the process; one of the app's own when left out. */
  registry?: Registry;
  tracer?: Tracer | undefined;
};

/** The whole HTTP API, without a socket: `app.request(…)` asks it, `startServer` serves it. */
export function createApiApp(options: ApiAppOptions): App {
  const {
    db,
    pool,
    boss,
    log,
    adminToken,
    readingsMaxAgeDays,
    held = new HeldBytes(),
    registry = new Registry(),
    billableStatuses = billableByDefault,
    tracer = untraced,
  } = options;
  const { requestsPerSecond = 0, readingsPerSecond = 0 } = options.rateLimits ?? {};
  const secrets = [adminToken, ...options.webhookSecrets];
  const onAnswered = countRequests(registry);
  const app = createApp({ log, problemOf: apiProblemOf, held, secrets, onAnswered, tracer });
  showHeldBytes(registry, held);
  // The key first, and only then what else the request says, and its body.
  const knownQuery = refuseUnknownQuery(app);
  const adminOnly = every(requireAdmin({ adminToken }), knownQuery, takeBody);
  const findKey = createKeyLookup({ db, strangersDb: options.strangersDb });
  const requestsLimit = limitRequests(requestsPerSecond);
  const keyWith = (scope: Scope): KeyOnly =>
    every(requireKey({ findKey, scope, limitRequests: requestsLimit }), knownQuery);
  const mayWrite: KeyOnly = every(keyWith("ingest"), takeBody);

  mountHealth(app, { check: options.readiness ?? createReadinessCheck({ db, renew: () => {} }, "api") });
  mountMetrics(app, { registry, db, pool, log, billableStatuses });
  mountReadings(app, {
    store: createGroupCommit(pool, { tracer }),
    log,
    now: () => new Date(),
    limits: { maxAgeDays: readingsMaxAgeDays },
    onStored: countReadings(registry),
    readingsLimit: limitReadings(readingsPerSecond),
    mayWrite: keyWith("ingest"),
  });
  mountReadingsList(app, { db, mayRead: keyWith("read") });
  mountUsage(app, { db, mayRead: keyWith("read"), adminOnly });
  mountUsageSummary(app, { db, adminOnly });
  mountSensors(app, { db, mayWrite, mayRead: keyWith("read") });
  mountOrganizations(app, { db, adminOnly, billableStatuses });
  mountSubscriptions(app, { db, boss, adminOnly });
  mountUnlink(app, { db, adminOnly });
  mountApiKeys(app, { db, adminOnly });
  mountWebhook(app, {
    db,
    boss,
    secrets: options.webhookSecrets,
    now: () => new Date(),
    held: held.part(Math.max(held.bytesMax * strangersShare, bodyBytesMax)),
    log,
    counts: countWebhooks(registry),
    tracer,
  });
  mountStripeEvents(app, { db, boss, adminOnly });
  mountOutbox(app, { db, boss, adminOnly });
  mountMeterEvents(app, { db, boss, adminOnly });
  mountMeterEventReadings(app, { db, adminOnly });
  mountHome(app, homes.api);
  mountOpenApi(app);
  return app;
}
