import { wait } from "../process/wait.ts";
import type { Db } from "../database/db.ts";
import { readRequest, type ReconcileRequest, type RequestState } from "./requests.ts";

const pollMs = 250;

/** Waits for a worker's answer, at most so long; `waiting`: there is none yet. Undefined: there is no such request. */
export async function awaitAnswer(
  db: Db,
  request: Pick<ReconcileRequest, "organizationId" | "id">,
  { waitMs, signal }: { waitMs: number; signal: AbortSignal },
): Promise<RequestState | undefined> {
  const endsAtMs = performance.now() + waitMs;
  for (;;) {
    const found = await readRequest(db, request);
    const leftMs = endsAtMs - performance.now();
    if (found?.state !== "waiting" || leftMs <= 0 || signal.aborted) return found;
    await wait(Math.min(pollMs, leftMs), signal);
  }
}
