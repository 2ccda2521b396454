import type { PgBoss } from "pg-boss";
import { sweepStripeEvents } from "../billing/inbox.ts";
import { sweepCustomerReads } from "../billing/read-customer-job.ts";
import type { Db } from "../database/db.ts";
import { addUpMeterEvents } from "../delivery/meter-events.ts";
import { nothingSwept, sweepMeterEvents } from "../delivery/sweep.ts";
import type { Log } from "../log.ts";
import { remindToSeal } from "../outbox/seal-job.ts";
import { addUpUsage, countReadings } from "../outbox/sums.ts";
import { type DeliverRetry, ensureCrons, ensureQueues } from "../queue/install.ts";
import { forgetOldProcesses } from "../monitoring/heartbeat.ts";

/**
 * Brings back whatever pg-boss may have lost: queues, crons, and a job for everything that is due by its own state.
 * Moves on meter events that may not be sent any more; in shadow mode they stay as they are. It relies on no row of
 * pg-boss's.
 */
export async function sweep(
  { db, boss, log }: { db: Db; boss: PgBoss; log: Log },
  retry: DeliverRetry,
  { isShadow = false, isFirst = false }: { isShadow?: boolean; isFirst?: boolean } = {},
): Promise<void> {
  await ensureQueues(boss, retry);
  await ensureCrons(boss);
  // What the coordinator of a cluster keeps itself comes first: while a node is away, what follows ends here.
  await remindToSeal(boss, { afterSeconds: 0 });
  await sweepStripeEvents({ db, boss });
  await forgetOldProcesses(db);
  const swept = isShadow
    ? nothingSwept
    : await sweepMeterEvents(
        { db, boss },
        { leaseSeconds: retry.expireInSeconds, ...(isFirst && { sealedSecondsMin: 0 }) },
      );
  await sweepCustomerReads({ db, boss });
  await addUpMeterEvents(db);
  await addUpUsageSoFar(db);
  if (Object.values(swept).some((count) => count > 0)) log.info({ event: "meter_events_swept", ...swept });
}

/** After an upgrade a year is added up in some minutes, and each sweep still ends in time. */
const addUpMsPerSweep = 10_000;

async function addUpUsageSoFar(db: Db): Promise<void> {
  const endsAtMs = performance.now() + addUpMsPerSweep;
  while ((await addUpUsage(db)) > 0 && performance.now() < endsAtMs);
  while ((await countReadings(db)) && performance.now() < endsAtMs);
}
