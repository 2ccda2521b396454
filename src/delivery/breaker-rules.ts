import { account, type BreakerPause, type Pause } from "./pauses.ts";
import type { RetryReason, Verdict } from "./verdict.ts";

/** Sending pauses after this many failures in a row, without any answer between them that shows Stripe at work. */
export const failuresInRowMax = 10;

const minuteMs = 60_000;

/** A pause that lasts for longer may be no fault of Stripe's, also where the events of many organizations have failed. */
const longPauseMs = 10 * minuteMs;

/** What a verdict says about Stripe as a whole, apart from the event itself. */
export type Health = "works" | "fails" | "says_nothing";

/** Pure. A refusal shows Stripe at work; an overload or a conflict is no failure of Stripe's. */
export function healthOf(verdict: Verdict): Health {
  switch (verdict.kind) {
    case "delivered":
    case "rejected":
      return "works";
    case "unknown":
      return "fails";
    case "retry":
      return healthOfRetry(verdict.reason);
  }
}

function healthOfRetry(reason: RetryReason): Health {
  switch (reason) {
    case "not_connected":
      return "fails";
    case "meter_unavailable":
    case "conflict":
    case "idempotency_error":
    case "session_expired":
    case "too_early":
      return "works";
    case "unauthorized":
    case "forbidden":
    case "rate_limited":
    case "held_back":
      return "says_nothing";
  }
}

/**
 * What the circuit breaker pauses after an attempt, if anything. Pure.
 *
 * - A refused key concerns every event: the account pauses at once, and one probe a minute asks again.
 * - A missing or inactive meter concerns its own events alone.
 * - A run of failures pauses the account for growing times.
 */
export function pauseAfter(
  verdict: Verdict,
  { meter, failuresInRow }: { meter: string; failuresInRow: number },
): BreakerPause | undefined {
  if (verdict.kind === "retry") {
    if (verdict.reason === "unauthorized" || verdict.reason === "forbidden") {
      return { scope: account, reason: verdict.reason, firstMs: minuteMs, maxMs: minuteMs };
    }
    if (verdict.reason === "meter_unavailable") {
      return { scope: meter, reason: verdict.reason, firstMs: minuteMs / 2, maxMs: 5 * minuteMs };
    }
  }
  if (healthOf(verdict) === "fails" && failuresInRow >= failuresInRowMax) {
    return { scope: account, reason: "stripe_unavailable", firstMs: 5_000, maxMs: 5 * minuteMs };
  }
  return undefined;
}

/**
 * Whether new usage may be sealed while a pause runs, to probe with: there is no event that never failed. Pure.
 *
 * - Where none waits at all: once the pause's time is over.
 * - Where the events of few organizations failed: at once, since the fault may be theirs.
 * - Where those of many did, Stripe is away: usage waits and is summed up, until the pause has lasted for long.
 */
export function mayNewUsageProbe(
  { until, pausedAt, readAt }: Pick<Pause, "until" | "pausedAt" | "readAt">,
  { hasUnfailed, organizationsFailed }: { hasUnfailed: boolean; organizationsFailed: number },
): boolean {
  if (until === null || hasUnfailed) return false;
  if (organizationsFailed === 0) return until <= readAt;
  return organizationsFailed < failuresInRowMax || readAt.getTime() - pausedAt.getTime() >= longPauseMs;
}
