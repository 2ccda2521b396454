const turnMsMax = 5;

/**
 * Starts requests as they come, until those of one turn of the event loop have taken some milliseconds; the others wait
 * for the next turn. So connections are accepted, and probes answered, between them. Each caller has a line of its own, and
 * the lines take turns, so that one with thousands of requests makes the others wait for a few.
 */
export function createRequestTurns(
  now = () => performance.now(),
): (caller: string, start: () => void) => void {
  // In the order of the turns.
  const lines = new Map<string, (() => void)[]>();
  let turnEndsAtMs: number | undefined;

  function hasTime(): boolean {
    if (turnEndsAtMs === undefined) {
      turnEndsAtMs = now() + turnMsMax;
      setImmediate(() => (turnEndsAtMs = undefined));
    }
    return now() < turnEndsAtMs;
  }

  /** Comes once for each request that waits: the work that one brings is done before the next one looks at the time. */
  function startNext(): void {
    if (!hasTime()) return void setImmediate(startNext);
    for (const [caller, line] of lines) {
      lines.delete(caller);
      const start = line.shift();
      if (line.length > 0) lines.set(caller, line);
      return start?.();
    }
  }

  return (caller, start) => {
    if (lines.size === 0 && hasTime()) return start();
    const line = lines.get(caller);
    if (line === undefined) lines.set(caller, [start]);
    else line.push(start);
    setImmediate(startNext);
  };
}
