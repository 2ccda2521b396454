import type { Db } from "../database/db.ts";
import { writeFigures } from "../monitoring/figures/write-figures.ts";
import { repeat, type Repeating } from "../process/wait.ts";
import type { WorkDeps } from "../queue/work-queue.ts";

/** A minute is written within this time of its end; a look that finds it written reads one row. */
const usualEveryMs = 5_000;
/** After an absence of all workers; then others may use the connection. */
const turnsMax = 10;

/** Writes the figures of each minute that has ended. */
export function startFigures(
  { db, log, onJobFailed }: WorkDeps & { db: Db },
  { lookEveryMs = usualEveryMs }: { lookEveryMs?: number } = {},
): Repeating {
  return repeat(() => writeTurns(db), {
    everyMs: lookEveryMs,
    onError: (error) => {
      onJobFailed?.("figures");
      log.error({ event: "figures_failed", error });
    },
  });
}

async function writeTurns(db: Db): Promise<void> {
  for (let turn = 0; turn < turnsMax; turn += 1) {
    const { isBehind } = await writeFigures(db);
    if (!isBehind) return;
  }
}
