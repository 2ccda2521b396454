import type { Kysely } from "kysely";
import type { WorkerConfig } from "../config.ts";
import type { DB } from "../database/schema.ts";
import { createBreaker } from "../delivery/breaker.ts";
import { leaseSeconds } from "../delivery/limits.ts";
import { startDelivery } from "../delivery/loop.ts";
import { sweepMeterEvents } from "../delivery/sweep.ts";
import { createTokenBucket } from "../delivery/token-bucket.ts";
import type { Log } from "../log.ts";
import { remindToSeal, workSealQueue } from "../outbox/seal-job.ts";
import { createBoss } from "../queue/boss.ts";
import { ensureCrons, ensureQueues } from "../queue/install.ts";
import { repeat } from "../queue/wait.ts";
import { createStripe } from "../stripe/client.ts";
import { createSendMeterEvent } from "../stripe/send-meter-event.ts";
import { meterEventNames } from "../usage/meters.ts";
import { workPartitionsQueue } from "./partitions-job.ts";

const sweepEveryMs = 30_000;
/** pg-boss's own connections: seal, partitions, supervision, crons, and the delivery loop's fetches. */
const queueConnectionsMax = 6;
/** Below the limits of docs.stripe.com/rate-limits: 25 a second for a sandbox, 1,000 for live meter events. */
const eventsPerSecondMax = { test: 15, live: 800 };

export type RunningJobs = { stop: (graceMs: number) => Promise<void> };

/** Starts all that a worker does: seal, deliver, sweep, crons. */
export async function startJobs(
  { db, log }: { db: Kysely<DB>; log: Log },
  config: WorkerConfig,
): Promise<RunningJobs> {
  const lease = leaseSeconds(config.STRIPE_TIMEOUT_MS);
  const retry = {
    retryDelay: config.RETRY_BASE_SECONDS,
    retryDelayMax: config.RETRY_MAX_SECONDS,
    expireInSeconds: lease,
  };
  const boss = createBoss(
    { databaseUrl: config.DATABASE_URL, role: "worker", connectionsMax: queueConnectionsMax },
    log,
  );
  await boss.start();
  const breaker = createBreaker({ db, log }, { leaseSeconds: lease });
  await workSealQueue(
    { db, boss, log },
    { intervalSeconds: config.SEAL_INTERVAL_SECONDS, openMeters: breaker.openMeters },
  );
  await workPartitionsQueue({ db, boss, log }, { readingsMaxAgeDays: config.READINGS_MAX_AGE_DAYS });
  const sweep = repeat(
    async () => {
      await ensureQueues(boss, retry);
      await ensureCrons(boss);
      const swept = await sweepMeterEvents({ db, boss }, { leaseSeconds: lease });
      await remindToSeal(boss, { afterSeconds: 0 });
      if (Object.values(swept).some((count) => count > 0))
        log.info({ event: "meter_events_swept", ...swept });
    },
    { everyMs: sweepEveryMs, onError: (error) => log.error({ event: "sweep_failed", error }) },
  );
  const stripe = createStripe({
    apiKey: config.STRIPE_SECRET_KEY,
    apiBase: config.STRIPE_API_BASE,
    timeoutMs: config.STRIPE_TIMEOUT_MS,
  });
  const mode = config.STRIPE_SECRET_KEY.includes("_live_") ? "live" : "test";
  const delivery = startDelivery(
    { db, boss, log },
    {
      send: createSendMeterEvent(stripe),
      eventNames: meterEventNames(config),
      now: () => new Date(),
      concurrency: config.DELIVERY_CONCURRENCY,
      breaker,
      leaseSeconds: lease,
      bucket: createTokenBucket(config.STRIPE_MAX_EVENTS_PER_SECOND ?? eventsPerSecondMax[mode], () =>
        performance.now(),
      ),
    },
  );
  return {
    async stop(graceMs) {
      await Promise.all([sweep.stop(), delivery.stop(graceMs)]);
      await boss.stop({ graceful: true, timeout: Math.max(1_000, graceMs) });
    },
  };
}
