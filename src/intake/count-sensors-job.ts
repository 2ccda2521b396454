import type { Kysely } from "kysely";
import type { PgBoss } from "pg-boss";
import type { DB } from "../database/schema.ts";
import { sensorsQueue } from "../queue/queues.ts";
import { type WorkDeps, workQueue } from "../queue/work-queue.ts";
import { countSensors } from "./count-sensors.ts";

const pollSeconds = 2;

/** Works the hourly count, and asks for the current hour's at once: it may have been missed while no worker ran. */
export async function workSensorsQueue(
  deps: WorkDeps & { db: Kysely<DB> },
  options: { billableStatuses: readonly string[] },
): Promise<void> {
  const { db, boss, log } = deps;
  await workQueue(deps, { queue: sensorsQueue.name, pollingIntervalSeconds: pollSeconds }, async () => {
    const count = await countSensors(db, options);
    const hour = count.hour.toISOString();
    if (count.missedHours > 0) {
      log.warn({ event: "sensor_counts_missed", hours: count.missedHours, before: hour });
    }
    if (count.organizations > 0) {
      const { organizations, sensors } = count;
      log.info({ event: "sensors_counted", hour, organizations, sensors });
    }
  });
  await requestSensorCount(boss);
}

/**
 * Asks for the current hour's count as soon as a worker can: after a start, and when an organization was linked, so
 * that its first period has a count from the beginning. One that waits already makes this a no-op.
 */
export async function requestSensorCount(boss: PgBoss): Promise<void> {
  await boss.send(sensorsQueue.name, {});
}
