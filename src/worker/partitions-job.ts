import { countDefaultPartitionRows, ensurePartitions } from "../database/partitions.ts";
import type { Db } from "../database/db.ts";
import { partitionsQueue } from "../queue/queues.ts";
import { type WorkDeps, workQueue } from "../queue/work-queue.ts";

/** Works the daily job that makes the coming months' partitions, and logs it when rows fell into a default one. */
export async function workPartitionsQueue(
  deps: WorkDeps & { db: Db },
  { readingsMaxAgeDays }: { readingsMaxAgeDays: number },
): Promise<void> {
  const { db, log } = deps;
  await workQueue(deps, { queue: partitionsQueue.name, pollingIntervalSeconds: 30 }, async () => {
    const made = await ensurePartitions(db, { now: new Date(), readingsMaxAgeDays });
    if (made.length > 0) log.info({ event: "partitions_made", partitions: made });
    const stray = await countDefaultPartitionRows(db);
    if (Object.values(stray).some((rows) => rows > 0))
      log.error({ event: "default_partition_not_empty", ...stray });
  });
}
