import type { WorkerConfig } from "../config.ts";
import type { Db } from "../database/db.ts";
import { watchSensorChanges } from "../intake/count-sensors-job.ts";
import { repeat, type Repeating } from "../process/wait.ts";
import type { DeliverRetry } from "../queue/install.ts";
import type { WorkDeps } from "../queue/work-queue.ts";
import { startFigures } from "./figures-job.ts";
import { sweep } from "./sweep.ts";
import { warnOfExpiry } from "./warn-of-expiry.ts";
import { warnOfInvoices } from "./warn-of-invoices.ts";

const sweepEveryMs = 30_000;
/** The sweep brings back what a failing database has broken off, the chain of seals above all. */
const sweepAfterErrorMs = 5_000;
const warnEveryMs = 600_000;

/**
 * Starts the work that every worker repeats by its own clock, so that it needs no queue: the sweep, counts,
 * figures and warnings.
 */
export function startRepeatedJobs(
  deps: WorkDeps & { db: Db },
  config: WorkerConfig,
  { retry }: { retry: DeliverRetry },
): Repeating {
  const { log, onJobFailed } = deps;
  const isShadow = config.DELIVERY_TRANSPORT === "none";
  let isFirst = true;
  const sweepOnce = async () => {
    await sweep(deps, retry, { isShadow, isFirst, sealIntervalSeconds: config.SEAL_INTERVAL_SECONDS });
    isFirst = false;
  };
  let told: ReadonlySet<string> = new Set();
  const repeated = [
    repeat(sweepOnce, {
      everyMs: sweepEveryMs,
      afterErrorMs: sweepAfterErrorMs,
      onError: (error) => {
        onJobFailed?.("sweep");
        log.error({ event: "sweep_failed", error });
      },
    }),
    startFigures(deps),
    watchSensorChanges(deps, { billableStatuses: config.BILLABLE_STATUSES }),
    // In shadow mode usage may grow older than Stripe would take.
    repeat(async () => (isShadow ? undefined : warnOfExpiry(deps)), {
      everyMs: warnEveryMs,
      onError: (error) => {
        onJobFailed?.("expiry-check");
        log.error({ event: "expiry_check_failed", error });
      },
    }),
    repeat(async () => void (told = await warnOfInvoices(deps, told)), {
      everyMs: warnEveryMs,
      onError: (error) => {
        onJobFailed?.("invoice-check");
        log.error({ event: "invoice_check_failed", error });
      },
    }),
  ];
  return { stop: async () => void (await Promise.all(repeated.map(({ stop }) => stop()))) };
}
