import { identifierSafeMs } from "./limits.ts";
import type { RetryReason, Verdict } from "./verdict.ts";

/** The state that an attempt leaves its meter event in. */
export type Outcome =
  | { state: "delivered"; reason: "accepted" | "duplicate" }
  | { state: "rejected"; reason: string }
  /** Attempted again, under the same identifier: after a growing delay, or as soon as sending goes on. */
  | { state: "pending"; reason: string; again: "after_backoff" | "at_once" }
  /** Stripe may have forgotten the identifier: sending it again could bill twice. */
  | { state: "in_doubt"; reason: "identifier_too_old" };

/**
 * Decides from a verdict and the event's times. Pure. `firstUnknownAt` is the start of the first attempt whose
 * outcome is unknown, this attempt included.
 */
export function outcomeOf(verdict: Verdict, times: { firstUnknownAt: Date; now: Date }): Outcome {
  switch (verdict.kind) {
    case "delivered":
      return { state: "delivered", reason: verdict.isDuplicate ? "duplicate" : "accepted" };
    case "rejected":
      return { state: "rejected", reason: verdict.reason };
    case "retry":
      return {
        state: "pending",
        reason: verdict.reason,
        again: isOfNoEvent(verdict.reason) ? "at_once" : "after_backoff",
      };
    case "unknown":
      return times.now.getTime() - times.firstUnknownAt.getTime() >= identifierSafeMs
        ? { state: "in_doubt", reason: "identifier_too_old" }
        : { state: "pending", reason: verdict.reason, again: "after_backoff" };
  }
}

/** Whether the verdict tells for certain that this attempt was not counted. */
export function isCertainlyNotCounted(verdict: Verdict): boolean {
  return verdict.kind === "retry" || verdict.kind === "rejected";
}

/**
 * The event has no part in these: it waits for a pause's end, and its own delay does not grow. Nothing pauses for an
 * expired session: where Stripe refuses each new one too, requests at once would go on without end.
 */
function isOfNoEvent(reason: RetryReason): boolean {
  switch (reason) {
    case "unauthorized":
    case "forbidden":
    case "meter_unavailable":
    case "held_back":
      return true;
    case "conflict":
    case "rate_limited":
    case "idempotency_error":
    case "session_expired":
    case "not_connected":
    case "too_early":
      return false;
  }
}
