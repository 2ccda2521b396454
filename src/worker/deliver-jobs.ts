import type { Registry } from "prom-client";
import type Stripe from "stripe";
import type { WorkerConfig } from "../config.ts";
import type { Db } from "../database/db.ts";
import type { Breaker } from "../delivery/breaker.ts";
import { leaseSeconds } from "../delivery/limits.ts";
import { type DeliveryLoop, startDelivery } from "../delivery/loop.ts";
import { createTokenBucket } from "../delivery/token-bucket.ts";
import type { SendRate } from "../monitoring/heartbeat.ts";
import { showRate, watchDelivery } from "../monitoring/metrics/delivery-metrics.ts";
import { timedTransport } from "../monitoring/metrics/stripe-metrics.ts";
import type { DeliverRetry } from "../queue/install.ts";
import type { WorkDeps } from "../queue/work-queue.ts";
import { modeOfKey } from "../stripe/key-mode.ts";
import type { StripeOptions } from "../stripe/client.ts";
import { createStreamTransport } from "../stripe/stream-transport.ts";
import type { StripeClock } from "../stripe/stripe-clock.ts";
import { createSyncTransport } from "../stripe/sync-transport.ts";
import type { Tracer } from "../tracing/tracer.ts";
import { meterEventNames } from "../usage/meters.ts";
import type { Transport } from "../usage/transports.ts";

/** Below the limits of docs.stripe.com/rate-limits: 25 a second for a sandbox, 1,000 for live meter events. */
const eventsPerSecondMax = { test: 15, live: 800 };
/** One after the other for an attempt: a stream's session may have to be renewed before its events are sent. */
const requestsPerAttempt = { sync: 1, stream: 2, none: 1 };

export type DeliverJobDeps = WorkDeps & {
  db: Db;
  stripe: Stripe;
  stripeOptions: StripeOptions;
  clock: StripeClock;
  registry: Registry;
  tracer: Tracer;
  /** Of the loop that delivers; its usual one when left out. */
  idleMs?: number | undefined;
};

/** How pg-boss tries a delivery again, and when its lease is over. */
export function deliverRetry(config: WorkerConfig): DeliverRetry {
  return {
    retryDelay: config.RETRY_BASE_SECONDS,
    retryDelayMax: config.RETRY_MAX_SECONDS,
    expireInSeconds: leaseSeconds(config.STRIPE_TIMEOUT_MS, requestsPerAttempt[config.DELIVERY_TRANSPORT]),
  };
}

/** What sends; `readRate` tells how fast it may. */
export type RunningDelivery = DeliveryLoop & { readRate: () => SendRate | undefined };

/**
 * Starts to send meter events to Stripe, at most as many a second as the key's mode or the environment allows. In shadow
 * mode nothing is started.
 */
export function deliverJobs(
  deps: DeliverJobDeps,
  config: WorkerConfig,
  { breaker, retry }: { breaker: Breaker; retry: DeliverRetry },
): RunningDelivery {
  const { registry, tracer, clock, onJobFailed, idleMs } = deps;
  if (config.DELIVERY_TRANSPORT === "none") {
    return { stop: async () => undefined, wake: () => undefined, readRate: () => undefined };
  }
  const perSecondMax =
    config.STRIPE_MAX_EVENTS_PER_SECOND ?? eventsPerSecondMax[modeOfKey(config.STRIPE_SECRET_KEY)];
  const bucket = createTokenBucket(perSecondMax, () => performance.now(), config.RETRY_MAX_SECONDS * 1_000);
  showRate(registry, { bucket, perSecondMax });
  const loop = startDelivery(deps, {
    transport: timedTransport(registry, createTransport(deps, config.DELIVERY_TRANSPORT)),
    eventNames: meterEventNames(config),
    now: () => new Date(),
    stripeNowMs: clock.knownMs,
    concurrency: config.DELIVERY_CONCURRENCY,
    breaker,
    leaseSeconds: retry.expireInSeconds,
    backoff: retry,
    bucket,
    watch: { ...watchDelivery(registry), onFailed: () => onJobFailed?.("delivery") },
    tracer,
    idleMs,
  });
  return { ...loop, readRate: () => ({ perSecond: bucket.rate(), perSecondMax }) };
}

function createTransport(
  { stripe, stripeOptions, clock }: Pick<DeliverJobDeps, "stripe" | "stripeOptions" | "clock">,
  kind: Exclude<Transport, "none">,
) {
  switch (kind) {
    case "sync":
      return createSyncTransport(stripeOptions);
    case "stream":
      return createStreamTransport(stripe, Date.now, clock);
  }
}
