import { noteRetention, readOverdue } from "../database/overdue-months.ts";
import { openUpkeepDatabase, type RetentionDays } from "../database/retention.ts";
import type { Db } from "../database/db.ts";
import type { Log } from "../log.ts";
import { type Repeating, repeat } from "../process/wait.ts";
import type { WorkDeps } from "../queue/work-queue.ts";
import { workRetentionQueue } from "./retention-job.ts";

const lookEveryMs = 600_000;
/** The job runs daily; the next run may drop what one run has missed. docs/alerts.yaml has the same time. */
const overdueSecondsMax = 86_400;

/** Drops months that are past their retention, on a connection of its own, and logs the months that stay. */
export async function startRetention(
  deps: WorkDeps & { db: Db },
  { databaseUrl, days }: { databaseUrl: string; days: RetentionDays },
): Promise<Repeating> {
  const { db, log, onJobFailed } = deps;
  const upkeep = openUpkeepDatabase(databaseUrl, log);
  await workRetentionQueue({ ...deps, db: upkeep.db }, days);
  const looking = repeat(() => lookAtRetention({ db, log }, days), {
    everyMs: lookEveryMs,
    onError: (error) => {
      onJobFailed?.("retention-check");
      log.error({ event: "retention_check_failed", error });
    },
  });
  return {
    stop: async () => {
      await looking.stop();
      await upkeep.close();
    },
  };
}

/** Writes down how long months are kept, and warns of months that should have been dropped more than a day ago. */
export async function lookAtRetention({ db, log }: { db: Db; log: Log }, days: RetentionDays): Promise<void> {
  await noteRetention(db, days);
  const overdue = (await readOverdue(db)).filter(({ seconds }) => seconds > overdueSecondsMax);
  if (overdue.length === 0) return;
  log.warn({
    event: "partitions_overdue",
    ...Object.fromEntries(overdue.map(({ table, seconds }) => [table, Math.floor(seconds)])),
  });
}
