import { mendBlockRanges } from "../database/block-ranges.ts";
import { readClock } from "../database/clock.ts";
import { countDefaultPartitionRows, ensurePartitions } from "../database/partitions.ts";
import type { Db } from "../database/db.ts";
import type { Log } from "../log.ts";
import { runSteps } from "../process/run-steps.ts";
import { partitionsQueue } from "../queue/queues.ts";
import { type WorkDeps, workQueue } from "../queue/work-queue.ts";

type PartitionsJobOptions = { readingsMaxAgeDays: number };

/** Works the daily job that keeps the partitions. */
export async function workPartitionsQueue(
  deps: WorkDeps & { db: Db },
  options: PartitionsJobOptions,
): Promise<void> {
  await workQueue(deps, { queue: partitionsQueue.name, pollingIntervalSeconds: 30 }, () =>
    keepPartitions(deps, options),
  );
}

/**
 * Makes the coming months' partitions, logs it when rows fell into a default one, which keeps their month's from being made,
 * and mends the block ranges of all.
 */
export async function keepPartitions(
  { db, log }: { db: Db; log: Log },
  { readingsMaxAgeDays }: PartitionsJobOptions,
): Promise<void> {
  const make = async () => {
    const made = await ensurePartitions(db, { now: await readClock(db), readingsMaxAgeDays });
    if (made.length > 0) log.info({ event: "partitions_made", partitions: made });
  };
  const countStray = async () => {
    const stray = await countDefaultPartitionRows(db);
    if (Object.values(stray).some((rows) => rows > 0))
      log.error({ event: "default_partition_not_empty", ...stray });
  };
  const mend = async () => {
    const ranges = await mendBlockRanges(db);
    if (ranges > 0) log.info({ event: "block_ranges_mended", ranges });
  };
  await runSteps([
    ["partitions", make],
    ["default partitions", countStray],
    ["block ranges", mend],
  ]);
}
