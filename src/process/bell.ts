import { wait } from "./wait.ts";

export type Bell = {
  ring: () => void;
  /** How often it has rung. */
  rings: () => number;
  /** Waits, in milliseconds, until it rings; not at all where it has rung more often than `since`. */
  wait: (ms: number, since: number) => Promise<void>;
};

/**
 * What one loop waits for. It keeps nothing of a wait that has ended. A promise that each wait races against would keep
 * something of all of them until it resolves, which may take days where there is nothing to do.
 */
export function createBell(): Bell {
  let rings = 0;
  let over = new AbortController();
  return {
    ring() {
      rings += 1;
      over.abort();
    },
    rings: () => rings,
    async wait(ms, since) {
      if (rings !== since) return;
      over = new AbortController();
      await wait(ms, over.signal);
    },
  };
}
