import { setTimeout as timeout } from "node:timers/promises";

/** Waits, in milliseconds; returns early when `signal` is aborted. */
export async function wait(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await timeout(ms, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

export type Repeating = { stop: () => Promise<void> };

/**
 * Runs `work` at once and then `everyMs` after each end of it, until stopped. An error goes to `onError`, and the next
 * run is due as usual.
 */
export function repeat(
  work: () => Promise<void>,
  { everyMs, onError }: { everyMs: number; onError: (error: unknown) => void },
): Repeating {
  const stopping = new AbortController();
  const run = async () => {
    while (!stopping.signal.aborted) {
      await work().catch(onError);
      await wait(everyMs, stopping.signal);
    }
  };
  const running = run();
  return {
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}
