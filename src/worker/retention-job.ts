import type { PgBoss } from "pg-boss";
import { readClock } from "../database/clock.ts";
import { type DueMonth, dropDuePartitions, type RetentionDays } from "../database/retention.ts";
import type { Db } from "../database/db.ts";
import type { Log } from "../log.ts";
import { retentionQueue } from "../queue/queues.ts";
import { type WorkDeps, workQueue } from "../queue/work-queue.ts";

const againAfterSeconds = 3_600;

/** Works the daily job that drops months past their retention. */
export async function workRetentionQueue(deps: WorkDeps & { db: Db }, days: RetentionDays): Promise<void> {
  await workQueue(deps, { queue: retentionQueue.name, pollingIntervalSeconds: 30 }, () =>
    enforceRetention(deps, days),
  );
}

/** Asks for a run as soon as a worker can, beside the one that waits for its time. */
export async function requestRetention(boss: PgBoss): Promise<void> {
  await boss.send(retentionQueue.name, {}, { singletonKey: "now" });
}

/**
 * Drops the months that are due by the database's clock, logs it, and comes again in an hour for months that were busy.
 * Throws after that what the database refused. By the clock of a worker that is a year ahead, a year too much would go for good.
 */
export async function enforceRetention(
  { db, boss, log }: { db: Db; boss: PgBoss; log: Log },
  days: RetentionDays,
): Promise<void> {
  const { due, failures } = await dropDuePartitions(db, { now: await readClock(db), days });
  const inState = (outcome: DueMonth["outcome"]) => due.filter((one) => one.outcome === outcome);
  for (const one of inState("dropped")) {
    log.info({ event: "partition_dropped", table: one.table, month: nameOf(one), rows: one.rows });
  }
  const kept = inState("kept");
  if (kept.length > 0) {
    // No other part of the service looks at usage this old: rejected usage and usage in doubt wait for an operator.
    log.warn({
      event: "partitions_kept",
      partitions: kept.map((one) => `${one.table} ${nameOf(one)}`),
      unsealed_entries: Math.max(...kept.map(({ unsealed }) => unsealed)),
      open_meter_events: Math.max(...kept.map(({ openEvents }) => openEvents)),
    });
  }
  const busy = [...inState("written"), ...inState("busy"), ...inState("month_busy")];
  if (busy.length > 0) {
    log.info({ event: "partitions_busy", partitions: busy.map((one) => `${one.table} ${nameOf(one)}`) });
    await boss.send(retentionQueue.name, null, { startAfter: againAfterSeconds });
  }
  if (failures.length > 0) throw new AggregateError(failures, "some months were not dropped");
}

function nameOf({ month }: DueMonth): string {
  return month.toISOString().slice(0, 7);
}
