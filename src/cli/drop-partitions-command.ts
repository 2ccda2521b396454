import type { Command } from "commander";
import { actAs } from "../actions/operator-actions.ts";
import { requestRetention } from "../worker/retention-job.ts";
import type { CommandTools } from "./command-tools.ts";
import type { Outcome } from "./outcome.ts";
import type { Run } from "./run.ts";
import { askWorker } from "./ask-worker.ts";

/** Adds `drop-partitions`. */
export function addDropPartitionsCommand(program: Command, run: Run): void {
  program
    .command("drop-partitions")
    .description("ask a worker to drop the months past their retention now, in place of tonight")
    .action(() => run(dropPartitions));
}

async function dropPartitions({ db, operator, openBoss }: CommandTools): Promise<Outcome> {
  const boss = await openBoss();
  await actAs(
    { db, operator },
    () => requestRetention(boss),
    () => ({ action: "drop_partitions" }),
  );
  return askWorker(db, { now: "a worker will look within half a minute", later: "look" });
}
