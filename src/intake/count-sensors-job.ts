import type { PgBoss } from "pg-boss";
import type { Db } from "../database/db.ts";
import type { Log } from "../log.ts";
import { sensorsQueue } from "../queue/queues.ts";
import { repeat, type Repeating } from "../process/wait.ts";
import { type WorkDeps, workQueue } from "../queue/work-queue.ts";
import { faultsMessage, type SensorCount } from "./count-by-shard.ts";
import { type BurstLimits, countChangedSensors, countSensors } from "./count-sensors.ts";

const pollSeconds = 2;
/** With the longest burst this stays below a minute. */
const lookEveryMs = 10_000;

type SensorOptions = { billableStatuses: readonly string[] };

/** Works the hourly count, and asks for the current hour's at once: it may have been missed while no worker ran. */
export async function workSensorsQueue(deps: WorkDeps & { db: Db }, options: SensorOptions): Promise<void> {
  const { db, boss, log } = deps;
  await workQueue(deps, { queue: sensorsQueue.name, pollingIntervalSeconds: pollSeconds }, async () => {
    tell(log, await countSensors(db, options));
  });
  await requestSensorCount(boss);
}

/** Counts the changes within a minute; a burst of changes is counted once. */
export function watchSensorChanges(
  { db, log, onJobFailed }: Pick<WorkDeps, "log" | "onJobFailed"> & { db: Db },
  { lookEvery = lookEveryMs, ...options }: SensorOptions & Partial<BurstLimits> & { lookEvery?: number },
): Repeating {
  return repeat(
    async () => {
      const count = await countChangedSensors(db, options);
      if (count !== undefined) tell(log, count);
    },
    {
      everyMs: lookEvery,
      onError: (error) => {
        onJobFailed?.("sensor-changes");
        log.error({ event: "sensor_changes_failed", error });
      },
    },
  );
}

/** Asks for the current hour's count as soon as a worker can. Does nothing when one waits already. */
export async function requestSensorCount(boss: PgBoss): Promise<void> {
  await boss.send(sensorsQueue.name, {});
}

/** Throws, once all is told, where organizations were left out. */
function tell(log: Log, count: SensorCount): void {
  const hour = count.hour.toISOString();
  if (count.missedHours > 0) {
    log.warn({ event: "sensor_counts_missed", hours: count.missedHours, before: hour });
  }
  if (count.organizations > 0) {
    const { organizations, sensors } = count;
    log.info({ event: "sensors_counted", hour, organizations, sensors });
  }
  const { faults } = count;
  if (faults.length > 0) throw new AggregateError(faults, faultsMessage(count));
}
