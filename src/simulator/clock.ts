/** The simulator's own time: it runs with an offset from real time, or stands still until told. */
export type Clock = {
  nowMs: () => number;
  nowSeconds: () => number;
  isFrozen: () => boolean;
  set: (timeMs: number) => void;
  advance: (byMs: number) => void;
  freeze: () => void;
  run: () => void;
};

/** Creates a clock that starts at real time and runs. `realNowMs` is an input so that tests need no waiting. */
export function createClock(realNowMs: () => number = Date.now): Clock {
  let offsetMs = 0;
  let frozenAtMs: number | undefined;

  const nowMs = () => frozenAtMs ?? realNowMs() + offsetMs;

  return {
    nowMs,
    nowSeconds: () => Math.floor(nowMs() / 1000),
    isFrozen: () => frozenAtMs !== undefined,
    set(timeMs) {
      offsetMs = timeMs - realNowMs();
      if (frozenAtMs !== undefined) frozenAtMs = timeMs;
    },
    advance(byMs) {
      offsetMs += byMs;
      if (frozenAtMs !== undefined) frozenAtMs += byMs;
    },
    freeze() {
      frozenAtMs = nowMs();
    },
    run() {
      // Time goes on from where it stood still, so thawing never makes the clock jump.
      if (frozenAtMs !== undefined) offsetMs = frozenAtMs - realNowMs();
      frozenAtMs = undefined;
    },
  };
}
