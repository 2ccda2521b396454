export type Bell = {
  ring: () => void;
  /** How often it has rung. */
  rings: () => number;
  /** Waits, in milliseconds, until it rings; not at all where it has rung more often than `since`. */
  wait: (ms: number, since: number) => Promise<void>;
};

const noWait = (): void => {};

/**
 * What one loop waits for. It rings with each answer of a drain, most of the time for no wait, so a ring costs nearly
 * nothing: to abort a signal makes an error with its stack, each time. And it keeps nothing of a wait that has ended: a
 * promise that each wait races against would keep something of all of them until it resolves, which may take days
 * where there is nothing to do.
 */
export function createBell(): Bell {
  let rings = 0;
  let endWait = noWait;
  return {
    ring() {
      rings += 1;
      endWait();
    },
    rings: () => rings,
    async wait(ms, since) {
      if (rings !== since) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      endWait = resolve;
      const timer = setTimeout(resolve, ms);
      await promise;
      clearTimeout(timer);
      endWait = noWait;
    },
  };
}
