import type { Verdict } from "./verdict.ts";

export type TokenBucket = {
  /** Whole requests that may start now. */
  available: () => number;
  take: (count: number) => void;
  /** Milliseconds until a request may start; 0 when one may start now. */
  waitMs: () => number;
  /** Slows down after a 429; other outcomes change nothing. */
  observe: (verdict: Verdict) => void;
  /** Requests a second at the moment. */
  rate: () => number;
};

/** Halving at each 429 of a burst would be too much: Stripe's answers to requests sent together count once. */
const slowDownAtMostEveryMs = 1_000;
const ratePerSecondMin = 1;
/** A full recovery takes about as many seconds as there are halvings to undo, times ten. */
const recoverySecondsPerDoubling = 10;
const firstWaitMs = 1_000;

/**
 * A token bucket below Stripe's limit: `perSecond` requests on average, at most a quarter of a second's worth at
 * once. A 429 halves its rate and empties it until Retry-After, or for a second; then the rate grows back by itself.
 * `nowMs` is a monotonic clock.
 */
export function createTokenBucket(perSecond: number, nowMs: () => number): TokenBucket {
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

  return {
    available: () => {
      fill();
      return nowMs() < closedUntilMs ? 0 : Math.floor(tokens);
    },
    take: (count) => {
      tokens -= count;
    },
    waitMs: () => {
      fill();
      const closedMs = Math.max(0, closedUntilMs - nowMs());
      const emptyMs = tokens >= 1 ? 0 : ((1 - tokens) / rate) * 1_000;
      return Math.ceil(closedMs + emptyMs);
    },
    observe: (verdict) => {
      if (verdict.kind !== "retry" || verdict.reason !== "rate_limited") return;
      fill();
      const now = nowMs();
      closedUntilMs = Math.max(closedUntilMs, now + (verdict.retryAfterMs ?? firstWaitMs));
      tokens = Math.min(tokens, 0);
      if (now - slowedAtMs < slowDownAtMostEveryMs) return;
      slowedAtMs = now;
      rate = Math.max(Math.min(ratePerSecondMin, perSecond), rate / 2);
    },
    rate: () => {
      fill();
      return rate;
    },
  };
}

function capacityAt(rate: number): number {
  return Math.max(1, rate / 4);
}
