import type { Db } from "../database/db.ts";
import { describeSeen, readSeenProcesses } from "../monitoring/seen-processes.ts";
import type { Outcome } from "./outcome.ts";

/** The outcome of a command whose work a worker does: `now` if one runs, else that the next one that starts will. */
export async function askWorker(
  db: Db,
  { now, later }: { now: string; later: "seal" | "look" },
): Promise<Outcome> {
  const worker = (await readSeenProcesses(db)).find(({ kind }) => kind === "worker");
  const workers = worker?.live ?? 0;
  const seen = worker === undefined ? "none runs" : describeSeen(worker);
  const text = workers > 0 ? now : `the next worker that starts will ${later} (workers: ${seen})`;
  return { kind: "done", document: { requested: true, workers }, text };
}
