import { Registry } from "prom-client";
import type { WorkerConfig } from "../config.ts";
import type { Db } from "../database/db.ts";
import { createBreaker } from "../delivery/breaker.ts";
import { leaseSeconds } from "../delivery/limits.ts";
import { startDelivery } from "../delivery/loop.ts";
import { createTokenBucket } from "../delivery/token-bucket.ts";
import type { Log } from "../log.ts";
import { workSealQueue } from "../outbox/seal-job.ts";
import { ensureQueues } from "../queue/install.ts";
import { startBoss } from "../queue/start-boss.ts";
import { repeat } from "../process/wait.ts";
import { createStripe } from "../stripe/client.ts";
import { createStripeReads } from "../stripe/reads.ts";
import { workReadCustomer } from "../billing/read-customer-job.ts";
import { workPurgeQueue, workStripeEvents } from "../billing/stripe-events-job.ts";
import { watchSensorChanges, workSensorsQueue } from "../intake/count-sensors-job.ts";
import { createStreamTransport } from "../stripe/stream-transport.ts";
import { createStripeClock } from "../stripe/stripe-clock.ts";
import { createSyncTransport } from "../stripe/sync-transport.ts";
import { type Tracer, untraced } from "../tracing/tracer.ts";
import { meterEventNames } from "../usage/meters.ts";
import { showRate, watchDelivery } from "../monitoring/metrics/delivery-metrics.ts";
import { countFailedJobs } from "../monitoring/metrics/job-metrics.ts";
import { timedTransport } from "../monitoring/metrics/stripe-metrics.ts";
import { workPartitionsQueue } from "./partitions-job.ts";
import { sweep } from "./sweep.ts";
import { startRetention } from "./upkeep-jobs.ts";
import { warnOfExpiry } from "./warn-of-expiry.ts";

const sweepEveryMs = 30_000;
const warnEveryMs = 600_000;
/** pg-boss's own connections: seal, partitions, supervision, crons, and the delivery loop's fetches. */
const queueConnectionsMax = 6;
/** Below the limits of docs.stripe.com/rate-limits: 25 a second for a sandbox, 1,000 for live meter events. */
const eventsPerSecondMax = { test: 15, live: 800 };

export type RunningJobs = { stop: (graceMs: number) => Promise<void> };

/** Starts all that a worker does: seal, deliver, sweep, crons. Its metrics go to `registry`. */
export async function startJobs(
  {
    db,
    log,
    registry = new Registry(),
    tracer = untraced,
  }: { db: Db; log: Log; registry?: Registry; tracer?: Tracer },
  config: WorkerConfig,
): Promise<RunningJobs> {
  const isStream = config.DELIVERY_TRANSPORT === "stream";
  const lease = leaseSeconds(config.STRIPE_TIMEOUT_MS, isStream ? 2 : 1);
  const retry = {
    retryDelay: config.RETRY_BASE_SECONDS,
    retryDelayMax: config.RETRY_MAX_SECONDS,
    expireInSeconds: lease,
  };
  const boss = await startBoss(
    { db, log },
    { databaseUrl: config.DATABASE_URL, role: "worker", connectionsMax: queueConnectionsMax },
  );
  await ensureQueues(boss, retry);
  const clock = createStripeClock(Date.now);
  const stripe = createStripe({
    clock,
    apiKey: config.STRIPE_SECRET_KEY,
    apiBase: config.STRIPE_API_BASE,
    timeoutMs: config.STRIPE_TIMEOUT_MS,
    tracer,
  });
  const breaker = createBreaker({ db, log }, { leaseSeconds: lease });
  const onJobFailed = countFailedJobs(registry);
  const deps = { db, boss, log, onJobFailed };
  await workSealQueue(
    { ...deps, tracer },
    { intervalSeconds: config.SEAL_INTERVAL_SECONDS, openMeters: breaker.openMeters },
  );
  const stripeSide = {
    ...deps,
    reads: createStripeReads(stripe, config.STRIPE_SECRET_KEY),
    eventNames: meterEventNames(config),
  };
  await workStripeEvents({ ...stripeSide, tracer });
  await workReadCustomer(stripeSide);
  await workPurgeQueue(deps);
  await workSensorsQueue(deps, { billableStatuses: config.BILLABLE_STATUSES });
  await workPartitionsQueue(deps, { readingsMaxAgeDays: config.READINGS_MAX_AGE_DAYS });
  const retention = await startRetention(deps, {
    databaseUrl: config.DATABASE_URL,
    days: {
      readings: config.READINGS_RETENTION_DAYS,
      meter_outbox: config.OUTBOX_RETENTION_DAYS,
      delivery_attempts: config.OUTBOX_RETENTION_DAYS,
    },
  });
  const sweeping = repeat(() => sweep({ db, boss, log }, retry), {
    everyMs: sweepEveryMs,
    onError: (error) => {
      onJobFailed("sweep");
      log.error({ event: "sweep_failed", error });
    },
  });
  const counting = watchSensorChanges(deps, { billableStatuses: config.BILLABLE_STATUSES });
  const warnings = repeat(() => warnOfExpiry({ db, log }), {
    everyMs: warnEveryMs,
    onError: (error) => {
      onJobFailed("expiry-check");
      log.error({ event: "expiry_check_failed", error });
    },
  });
  const mode = config.STRIPE_SECRET_KEY.includes("_live_") ? "live" : "test";
  const perSecondMax = config.STRIPE_MAX_EVENTS_PER_SECOND ?? eventsPerSecondMax[mode];
  const bucket = createTokenBucket(perSecondMax, () => performance.now());
  showRate(registry, { bucket, perSecondMax });
  const transport = isStream
    ? createStreamTransport(stripe, Date.now, clock)
    : createSyncTransport(stripe, clock);
  // Last, and nothing is awaited after it: until this function returns, a signal ends the process without a shutdown.
  const delivery = startDelivery(
    { db, boss, log },
    {
      transport: timedTransport(registry, transport),
      eventNames: meterEventNames(config),
      now: () => new Date(),
      stripeNowMs: clock.nowMs,
      concurrency: config.DELIVERY_CONCURRENCY,
      breaker,
      leaseSeconds: lease,
      bucket,
      watch: { ...watchDelivery(registry), onFailed: () => onJobFailed("delivery") },
      tracer,
    },
  );
  return {
    async stop(graceMs) {
      const endsAtMs = performance.now() + graceMs;
      await Promise.all([sweeping.stop(), counting.stop(), warnings.stop(), delivery.stop(graceMs)]);
      // pg-boss lets its own jobs, the seal above all, end in what is left of the grace.
      await boss.stop({ graceful: true, timeout: Math.max(1_000, endsAtMs - performance.now()) });
      await retention.stop();
    },
  };
}
