const turnMsMax = 5;

/**
 * Starts requests as they come, until those of one turn of the event loop have taken some milliseconds; the others wait
 * in a line for the next turn. So connections are accepted, and probes answered, between them.
 */
export function createRequestTurns(now = () => performance.now()): (start: () => void) => void {
  let turnEndsAtMs: number | undefined;

  function enter(start: () => void): void {
    if (turnEndsAtMs === undefined) {
      turnEndsAtMs = now() + turnMsMax;
      setImmediate(() => (turnEndsAtMs = undefined));
    }
    if (now() < turnEndsAtMs) start();
    else setImmediate(enter, start);
  }

  return enter;
}
