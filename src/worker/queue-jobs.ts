import { workReadCustomer } from "../billing/read-customer-job.ts";
import { workPurgeQueue, workStripeEvents } from "../billing/stripe-events-job.ts";
import type { WorkerConfig } from "../config.ts";
import type { Db } from "../database/db.ts";
import { workSensorsQueue } from "../intake/count-sensors-job.ts";
import type { SealDeps } from "../outbox/seal.ts";
import { type SealJobOptions, workSealQueue } from "../outbox/seal-job.ts";
import type { Repeating } from "../process/wait.ts";
import type { WorkDeps } from "../queue/work-queue.ts";
import type { GateStep } from "../reconciliation/close/gate-rules.ts";
import { workReconcile } from "../reconciliation/reconcile-job.ts";
import type { StripeReads } from "../stripe/reads.ts";
import type { Tracer } from "../tracing/tracer.ts";
import { meterEventNames } from "../usage/meters.ts";
import { workPartitionsQueue } from "./partitions-job.ts";
import { startRetention } from "./upkeep-jobs.ts";

export type QueueJobDeps = WorkDeps &
  Pick<SealDeps, "onSealed"> & {
    db: Db;
    tracer: Tracer;
    reads: StripeReads;
    stripeNowMs: () => number;
    onGate?: ((step: GateStep) => void) | undefined;
  };

/** Works every queue of pg-boss but the deliveries. The returned loops are stopped after pg-boss. */
export async function workQueues(
  deps: QueueJobDeps,
  config: WorkerConfig,
  { openMeters }: Pick<SealJobOptions, "openMeters">,
): Promise<Repeating> {
  const eventNames = meterEventNames(config);
  const isShadow = config.DELIVERY_TRANSPORT === "none";
  await workSealQueue(deps, { intervalSeconds: config.SEAL_INTERVAL_SECONDS, openMeters, isShadow });
  await workStripeEvents({ ...deps, eventNames, isShadow });
  await workReadCustomer({ ...deps, eventNames });
  await workPurgeQueue(deps);
  await workSensorsQueue(deps, { billableStatuses: config.BILLABLE_STATUSES });
  await workReconcile(
    { ...deps, eventNames, askedInVain: new Map(), refusedSums: new Map(), triedSums: new Map() },
    {
      readsPerDay: config.RECONCILE_READS_PER_DAY,
      settleSeconds: config.RECONCILE_SETTLE_SECONDS,
      absenceSeconds: config.RECONCILE_ABSENCE_SECONDS,
      // What another path bills is its own to hold back and to send late.
      gate: {
        mode: isShadow ? "off" : config.CLOSE_GATE,
        marginMinutes: config.CLOSE_GATE_MARGIN_MINUTES,
      },
      lateUsage: isShadow ? "report" : config.LATE_USAGE,
      isShadow,
    },
  );
  await workPartitionsQueue(deps, { readingsMaxAgeDays: config.READINGS_MAX_AGE_DAYS });
  return startRetention(deps, {
    databaseUrl: config.DATABASE_URL,
    days: {
      readings: config.READINGS_RETENTION_DAYS,
      meter_outbox: config.OUTBOX_RETENTION_DAYS,
      delivery_attempts: config.OUTBOX_RETENTION_DAYS,
    },
  });
}
