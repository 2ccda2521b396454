import { setTimeout as timeout } from "node:timers/promises";

/** Waits, in milliseconds; returns early when `signal` is aborted. */
export async function wait(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await timeout(ms, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

type RepeatOptions = { everyMs: number; afterErrorMs?: number; onError: (error: unknown) => void };

export type Repeating = { stop: () => Promise<void> };

/**
 * Runs `work` at once and then `everyMs` after each end of it, until stopped. An error goes to `onError`, and the next
 * run is due `afterErrorMs` later, or as usual.
 */
export function repeat(
  work: () => Promise<void>,
  { everyMs, afterErrorMs = everyMs, onError }: RepeatOptions,
): Repeating {
  const stopping = new AbortController();
  const run = async () => {
    while (!stopping.signal.aborted) {
      const nextAfterMs = await work().then(
        () => everyMs,
        (error: unknown) => {
          onError(error);
          return afterErrorMs;
        },
      );
      await wait(nextAfterMs, stopping.signal);
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
