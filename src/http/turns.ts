import { setImmediate as nextTurn } from "node:timers/promises";

const turnMsMax = 5;

/**
 * Makes a function to call between the pieces of long work: it gives the event loop back to everyone else once this
 * work has had it for some milliseconds.
 */
export function createTurns(now = () => performance.now()): () => Promise<void> {
  let sinceMs = now();
  return async () => {
    if (now() - sinceMs < turnMsMax) return;
    await nextTurn();
    sinceMs = now();
  };
}
