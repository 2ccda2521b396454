export type Rests = {
  isResting: (meter: string) => boolean;
  /**
   * Call it before a meter is asked for its jobs. Call what it returns when there were none: for a while the meter need not
   * be asked again, unless it was woken meanwhile.
   */
  look: (meter: string) => () => void;
  /** One of the meter's own requests is settled, so that its customer's next event is free. */
  wake: (meter: string) => void;
};

/**
 * Which meters had nothing to take a moment ago: to ask one is a trip to the database that all others would wait for.
 * `nowMs` is a monotonic clock.
 */
export function createRests(restMs: number, nowMs: () => number): Rests {
  const untilMs = new Map<string, number>();
  const wakes = new Map<string, number>();
  const wakesOf = (meter: string) => wakes.get(meter) ?? 0;
  return {
    isResting: (meter) => (untilMs.get(meter) ?? Number.NEGATIVE_INFINITY) > nowMs(),
    look: (meter) => {
      const before = wakesOf(meter);
      return () => {
        if (wakesOf(meter) === before) untilMs.set(meter, nowMs() + restMs);
      };
    },
    wake: (meter) => {
      wakes.set(meter, wakesOf(meter) + 1);
      untilMs.delete(meter);
    },
  };
}
