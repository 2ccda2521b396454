import type { PgBoss } from "pg-boss";
import { sweepStripeEvents } from "../billing/inbox.ts";
import { sweepCustomerReads } from "../billing/read-customer-job.ts";
import type { Db } from "../database/db.ts";
import { addUpMeterEvents } from "../delivery/meter-events.ts";
import { sweepMeterEvents } from "../delivery/sweep.ts";
import type { Log } from "../log.ts";
import { remindToSeal } from "../outbox/seal-job.ts";
import { addUpUsage, countReadings } from "../outbox/sums.ts";
import { runSteps } from "../process/run-steps.ts";
import { type DeliverRetry, ensureCrons, ensureQueues, forgetTimesAhead } from "../queue/install.ts";
import { forgetOldProcesses } from "../monitoring/heartbeat.ts";

type SweepDeps = { db: Db; boss: PgBoss; log: Log };
type SweepOptions = {
  isShadow?: boolean;
  isFirst?: boolean;
  /** No seal waits for longer; the longest there may be when left out. */
  sealIntervalSeconds?: number;
};

/** The longest SEAL_INTERVAL_SECONDS. */
const sealIntervalSecondsMax = 3_600;

/**
 * Brings back whatever pg-boss may have lost: queues, crons, and a job for everything that is due by its own state.
 * Moves on meter events that may not be sent any more; in shadow mode they stay as they are. It relies on no row of
 * pg-boss's. A step that fails stops none of the others; then the sweep throws what failed.
 */
export async function sweep(deps: SweepDeps, retry: DeliverRetry, options: SweepOptions = {}): Promise<void> {
  const { db, boss } = deps;
  const { sealIntervalSeconds = sealIntervalSecondsMax } = options;
  await runSteps([
    ["queues", () => ensureQueues(boss, retry)],
    ["crons", () => ensureCrons(boss)],
    ["times ahead", () => forgetTimesAhead(boss, { sealIntervalSeconds })],
    ["meter events", () => sweepDelivery(deps, retry, options)],
    ["seal", () => remindToSeal(boss, { afterSeconds: 0 })],
    ["webhook events", () => sweepStripeEvents({ db, boss })],
    ["customers", () => sweepCustomerReads({ db, boss })],
    ["sums of meter events", () => addUpMeterEvents(db)],
    ["sums of usage", () => addUpUsageSoFar(db)],
    ["processes", () => forgetOldProcesses(db)],
  ]);
}

async function sweepDelivery(
  { db, boss, log }: SweepDeps,
  { expireInSeconds: leaseSeconds }: DeliverRetry,
  { isShadow = false, isFirst = false }: SweepOptions,
): Promise<void> {
  if (isShadow) return;
  const swept = await sweepMeterEvents(
    { db, boss },
    { leaseSeconds, ...(isFirst && { sealedSecondsMin: 0 }) },
  );
  if (Object.values(swept).some((count) => count > 0)) log.info({ event: "meter_events_swept", ...swept });
}

/** After an upgrade a year is added up in some minutes, and each sweep still ends in time. */
const addUpMsPerSweep = 10_000;

async function addUpUsageSoFar(db: Db): Promise<void> {
  const endsAtMs = performance.now() + addUpMsPerSweep;
  while ((await addUpUsage(db)) > 0 && performance.now() < endsAtMs);
  while ((await countReadings(db)) && performance.now() < endsAtMs);
}
