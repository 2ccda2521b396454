import type { Verdict } from "./verdict.ts";

export type TokenBucket = {
  /** Whole requests that may start now. */
  available: () => number;
  take: (count: number) => void;
  /**
   * Milliseconds until `wanted` may start together, one when left out; 0 when they may start now. Of more than half of what
   * may ever go at once, it tells when that half may: where a full bucket is waited for, what comes meanwhile is lost.
   */
  waitMs: (wanted?: number) => number;
  /** Slows down after a 429; other outcomes change nothing. */
  observe: (verdict: Verdict) => void;
  /** Requests a second at the moment, or as soon as Retry-After is over. */
  rate: () => number;
  /** Whether a 429 has stopped all requests for now. */
  isClosed: () => boolean;
};

/** Halving at each 429 of a burst would be too much: Stripe's answers to requests sent together count once. */
const slowDownAtMostEveryMs = 1_000;
const ratePerSecondMin = 1;
/** A full recovery takes about as many seconds as there are halvings to undo, times ten. */
const recoverySecondsPerDoubling = 10;
const firstWaitMs = 1_000;
/** The longest pause after a failed attempt, too, unless an operator sets another. */
const closedMsMaxUsual = 900_000;

/**
 * A token bucket below Stripe's limit: `perSecond` requests on average, at most a quarter of a second's worth at
 * once. A 429 halves its rate and empties it until Retry-After, or for a second; then the rate grows back by itself.
 * Stripe documents no Retry-After, so any server may have written it: all usage never waits longer than `closedMsMax` for it.
 * `nowMs` is a monotonic clock.
 */
export function createTokenBucket(
  perSecond: number,
  nowMs: () => number,
  closedMsMax = closedMsMaxUsual,
): TokenBucket {
  let rate = perSecond;
  let tokens = capacityAt(perSecond);
  let filledAtMs = nowMs();
  let closedUntilMs = Number.NEGATIVE_INFINITY;
  let slowedAtMs = Number.NEGATIVE_INFINITY;

  function fill(): void {
    const now = nowMs();
    const elapsedSeconds = Math.max(0, now - Math.max(filledAtMs, closedUntilMs)) / 1_000;
    tokens = Math.min(capacityAt(rate), tokens + elapsedSeconds * rate);
    rate = Math.min(perSecond, rate * 2 ** (elapsedSeconds / recoverySecondsPerDoubling));
    filledAtMs = now;
  }

  const isClosed = () => nowMs() < closedUntilMs;

  return {
    available: () => {
      fill();
      return isClosed() ? 0 : Math.floor(tokens);
    },
    take: (count) => {
      tokens -= count;
    },
    waitMs: (wanted = 1) => {
      fill();
      const closedMs = Math.max(0, closedUntilMs - nowMs());
      const needed = Math.max(1, Math.min(wanted, Math.floor(capacityAt(rate) / 2)));
      const emptyMs = tokens >= needed ? 0 : ((needed - tokens) / rate) * 1_000;
      return Math.ceil(closedMs + emptyMs);
    },
    observe: (verdict) => {
      if (verdict.kind !== "retry" || verdict.reason !== "rate_limited") return;
      fill();
      const now = nowMs();
      const closedMs = Math.min(verdict.retryAfterMs ?? firstWaitMs, closedMsMax);
      closedUntilMs = Math.max(closedUntilMs, now + closedMs);
      tokens = Math.min(tokens, 0);
      if (now - slowedAtMs < slowDownAtMostEveryMs) return;
      slowedAtMs = now;
      rate = Math.max(Math.min(ratePerSecondMin, perSecond), rate / 2);
    },
    rate: () => {
      fill();
      return rate;
    },
    isClosed,
  };
}

function capacityAt(rate: number): number {
  return Math.max(1, rate / 4);
}
