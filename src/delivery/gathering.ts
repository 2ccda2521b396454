import { setTimeout as wait } from "node:timers/promises";

/**
 * Gathers what comes within `gatherMs` of the first, and does the work for all of it at once: for works that cost as much for
 * one as for many and that nothing waits for. Each caller's promise is that of the work that did its items.
 */
export function createGathering<T>(
  work: (items: readonly T[]) => Promise<void>,
  gatherMs: number,
): (items: readonly T[]) => Promise<void> {
  let gathered: T[] = [];
  let next: Promise<void> | undefined;

  async function workLater(): Promise<void> {
    await wait(gatherMs);
    const items = gathered;
    gathered = [];
    next = undefined;
    await work(items);
  }

  return (items) => {
    gathered.push(...items);
    next ??= workLater();
    return next;
  };
}
