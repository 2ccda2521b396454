import type { StripeAnswer } from "../stripe/answer.ts";

/** What one attempt told us about the meter event. */
export type Verdict =
  /** Stripe has it. `isDuplicate`: from an earlier attempt. */
  | { kind: "delivered"; isDuplicate: boolean }
  /** Stripe refuses this event, and always will as long as its cause stands. */
  | { kind: "rejected"; reason: "refused_by_stripe" }
  /** Certainly not counted, and worth another attempt. */
  | { kind: "retry"; reason: RetryReason; retryAfterMs: number | null }
  /** It may have been counted: another attempt is safe only while Stripe remembers the identifier. */
  | { kind: "unknown"; reason: "server_error" | "no_answer" | "foreign_answer" };

export type RetryReason =
  | "unauthorized"
  | "forbidden"
  | "meter_unavailable"
  | "conflict"
  | "rate_limited"
  | "idempotency_error"
  | "session_expired"
  | "not_connected"
  /** The usage is too far ahead of Stripe's clock, because the database's clock is. */
  | "too_early"
  /** No request was made: between the attempt's beginning and its turn sending stopped or paused, or much time passed. */
  | "held_back";

/** Stripe gives this refusal no code on v1, so the message is all there is (seen in production by several users). */
const duplicateMessage = /already exists with identifier/i;
/** Stripe's possible words for "we do not know"; its clock is asked first. */
const tooEarlyMessage = /timestamp\b.*\bin (?:the )?future/i;
const noMeterMessage = /no active meter found/i;
/** Stripe's own words are far shorter. On a message as long as an answer may be, a pattern could take minutes. */
const judgedMessageMax = 1_000;

const duplicateCodes = new Set(["duplicate_meter_event"]);
const noMeterCodes = new Set(["no_meter", "archived_meter"]);

/**
 * Concludes from an answer what happened to the event, for v1 and v2 codes alike. Pure. Stripe's promises about each
 * status: docs.stripe.com/error-low-level and docs.stripe.com/rate-limits.
 */
export function verdictOf(answer: StripeAnswer): Verdict {
  switch (answer.kind) {
    case "success":
      return { kind: "delivered", isDuplicate: false };
    case "no_answer":
      if (answer.code === "too_early") return { kind: "retry", reason: "too_early", retryAfterMs: null };
      return answer.reachedStripe === "no"
        ? { kind: "retry", reason: "not_connected", retryAfterMs: null }
        : { kind: "unknown", reason: "no_answer" };
    case "foreign":
      return { kind: "unknown", reason: "foreign_answer" };
    case "error":
      return verdictOfError(answer);
  }
}

/** A 429 for one locked or busy object says nothing about the account's rate. */
function isAboutOneObject({
  httpStatus,
  code,
  rateLimitedReason,
}: Extract<StripeAnswer, { kind: "error" }>): boolean {
  return httpStatus === 429 && (code === "lock_timeout" || rateLimitedReason === "resource-specific");
}

function verdictOfError(answer: Extract<StripeAnswer, { kind: "error" }>): Verdict {
  const { httpStatus, code, type, retryAfterMs } = answer;
  const message = answer.message.slice(0, judgedMessageMax);
  if (code === "billing_meter_event_session_expired") {
    return { kind: "retry", reason: "session_expired", retryAfterMs };
  }
  if (httpStatus === 401) return { kind: "retry", reason: "unauthorized", retryAfterMs };
  if (httpStatus === 403) return { kind: "retry", reason: "forbidden", retryAfterMs };
  if (httpStatus === 409 || isAboutOneObject(answer)) {
    return { kind: "retry", reason: "conflict", retryAfterMs };
  }
  if (httpStatus === 429 || code === "rate_limit") {
    return { kind: "retry", reason: "rate_limited", retryAfterMs };
  }
  // 408 says that the request was too slow, not that it had no effect; for a status below 400 Stripe promises nothing.
  if (httpStatus < 400 || httpStatus === 408 || httpStatus >= 500) {
    return { kind: "unknown", reason: "server_error" };
  }
  if (duplicateCodes.has(code ?? "") || (httpStatus === 400 && duplicateMessage.test(message))) {
    return { kind: "delivered", isDuplicate: true };
  }
  if (type === "idempotency_error") return { kind: "retry", reason: "idempotency_error", retryAfterMs };
  if (answer.isTooEarly === true || tooEarlyMessage.test(message)) {
    return { kind: "retry", reason: "too_early", retryAfterMs };
  }
  if (noMeterCodes.has(code ?? "") || noMeterMessage.test(message)) {
    return { kind: "retry", reason: "meter_unavailable", retryAfterMs };
  }
  return { kind: "rejected", reason: "refused_by_stripe" };
}
