import { Registry } from "prom-client";
import type { WorkerConfig } from "../config.ts";
import type { Db } from "../database/db.ts";
import { type Database, openDatabase } from "../database/pool.ts";
import { createBreaker } from "../delivery/breaker.ts";
import type { Log } from "../log.ts";
import { countGateSteps } from "./gate-metrics.ts";
import { countFailedJobs } from "../monitoring/metrics/job-metrics.ts";
import { ensureQueues } from "../queue/install.ts";
import { startBoss } from "../queue/start-boss.ts";
import { createStripe } from "../stripe/client.ts";
import { paceReads } from "../stripe/pace-reads.ts";
import { createStripeReads } from "../stripe/reads.ts";
import { createStripeClock } from "../stripe/stripe-clock.ts";
import { type Tracer, untraced } from "../tracing/tracer.ts";
import { type DeliverJobDeps, deliverJobs, deliverRetry, type RunningDelivery } from "./deliver-jobs.ts";
import { workQueues } from "./queue-jobs.ts";
import { startRepeatedJobs } from "./repeated-jobs.ts";

/** pg-boss's own connections: seal, partitions, supervision and crons. */
const queueConnectionsMax = 6;
/** The delivery loop's: one takes jobs, two settle. */
const deliveryConnectionsMax = 3;

export type RunningJobs = Pick<RunningDelivery, "readRate"> & { stop: (graceMs: number) => Promise<void> };

type JobDeps = { db: Db; log: Log; registry?: Registry; tracer?: Tracer } & Pick<DeliverJobDeps, "idleMs">;

/** Starts all of a worker's work: queues, repeated jobs, deliveries. Its metrics go to `registry`. */
export async function startJobs(
  { db, log, registry = new Registry(), tracer = untraced, idleMs }: JobDeps,
  config: WorkerConfig,
): Promise<RunningJobs> {
  const retry = deliverRetry(config);
  const boss = await startBoss(
    { db, log },
    { databaseUrl: config.DATABASE_URL, role: "worker", connectionsMax: queueConnectionsMax },
  );
  await ensureQueues(boss, retry);
  const clock = createStripeClock(Date.now);
  const stripeOptions = {
    clock,
    apiKey: config.STRIPE_SECRET_KEY,
    apiBase: config.STRIPE_API_BASE,
    timeoutMs: config.STRIPE_TIMEOUT_MS,
    tracer,
  };
  const stripe = createStripe({ ...stripeOptions, pace: paceReads() });
  const reads = createStripeReads(stripe, config.STRIPE_SECRET_KEY);
  const breaker = createBreaker({ db, log }, { leaseSeconds: retry.expireInSeconds });
  const deps = {
    db,
    boss,
    log,
    onJobFailed: countFailedJobs(registry),
    registry,
    tracer,
    stripe,
    stripeOptions,
    clock,
    reads,
    stripeNowMs: clock.nowMs,
    onGate: countGateSteps(registry),
  };
  let delivery: RunningDelivery | undefined;
  const queues = await workQueues({ ...deps, onSealed: (events) => delivery?.wake(events) }, config, breaker);
  const repeated = startRepeatedJobs(deps, config, { retry });
  const road = openRoad(config, log);
  // Last, and nothing is awaited after it: until this function returns, a signal ends the process without a shutdown.
  const started = deliverJobs({ ...deps, db: road.db, idleMs }, config, { breaker, retry });
  delivery = started;
  return {
    readRate: started.readRate,
    async stop(graceMs) {
      const endsAtMs = performance.now() + graceMs;
      await Promise.all([repeated.stop(), started.stop(graceMs)]);
      // pg-boss lets its own jobs, the seal above all, end in what is left of the grace.
      await boss.stop({ graceful: true, timeout: Math.max(1_000, endsAtMs - performance.now()) });
      await queues.stop();
      await road.close();
    },
  };
}

function openRoad(config: WorkerConfig, log: Log): Database {
  return openDatabase(
    {
      connectionString: config.DATABASE_URL,
      applicationName: "meter-outbox worker, delivery",
      connectionsMax: deliveryConnectionsMax,
      plansByIndex: true,
      keepsPlans: true,
    },
    log,
  );
}
