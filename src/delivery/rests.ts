export type Rests = {
  isResting: (name: string) => boolean;
  /**
   * The caller looks before it asks a meter or queue for jobs, and calls what it got from the look when there were none:
   * for a while the meter or queue need not be asked again, unless it was woken meanwhile.
   */
  look: (name: string) => () => void;
  /** One of its own requests is settled, so that the customer's next event is free, or there are new events. */
  wake: (name: string) => void;
};

/**
 * Which meters or queues had nothing to take a moment ago: to ask one is a trip to the database that all others would wait
 * for. `nowMs` is a monotonic clock.
 */
export function createRests(restMs: number, nowMs: () => number): Rests {
  const untilMs = new Map<string, number>();
  const wakes = new Map<string, number>();
  const wakesOf = (name: string) => wakes.get(name) ?? 0;
  return {
    isResting: (name) => (untilMs.get(name) ?? Number.NEGATIVE_INFINITY) > nowMs(),
    look: (name) => {
      const before = wakesOf(name);
      return () => {
        if (wakesOf(name) === before) untilMs.set(name, nowMs() + restMs);
      };
    },
    wake: (name) => {
      wakes.set(name, wakesOf(name) + 1);
      untilMs.delete(name);
    },
  };
}

/** What is fetched from the queue; nothing, unasked, while it rests. Without `rests` it is asked each time. */
export async function fetchUnlessResting<T>(
  rests: Rests | undefined,
  queue: string,
  fetch: () => Promise<T[]>,
): Promise<T[]> {
  if (rests?.isResting(queue) === true) return [];
  const restNow = rests?.look(queue);
  const fetched = await fetch();
  if (fetched.length === 0) restNow?.();
  return fetched;
}
