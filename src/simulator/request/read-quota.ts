const windowMs = 30 * 86_400_000;

/** The GETs that came in: all, those of sums, and those of the 30 days that count now. */
export type Reads = {
  total: number;
  eventSummaries: number;
  refused: number;
  windowStartedAtMs: number;
  inWindow: number;
};

/** Creates the empty count. */
export function createReads(): Reads {
  return { total: 0, eventSummaries: 0, refused: 0, windowStartedAtMs: -Infinity, inWindow: 0 };
}

type Draw = { path: string; quota: number | null; nowMs: number };

/**
 * Counts one read; false past the quota. docs.stripe.com/rate-limits, certain: about 500 reads per transaction over 30
 * days, 10,000 at least. Here the quota is a number, the 30 days begin with their first read, and what lies above is
 * refused with a 429: guessed.
 */
export function drawRead(reads: Reads, { path, quota, nowMs }: Draw): boolean {
  if (nowMs - reads.windowStartedAtMs >= windowMs)
    Object.assign(reads, { windowStartedAtMs: nowMs, inWindow: 0 });
  if (quota !== null && reads.inWindow >= quota) {
    reads.refused += 1;
    return false;
  }
  reads.inWindow += 1;
  reads.total += 1;
  if (path.endsWith("/event_summaries")) reads.eventSummaries += 1;
  return true;
}
