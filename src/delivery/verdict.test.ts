import { expect, test } from "vitest";
import type { StripeAnswer } from "../stripe/answer.ts";
import { type Verdict, verdictOf } from "./verdict.ts";

type ErrorAnswer = Extract<StripeAnswer, { kind: "error" }>;

function refusal(httpStatus: number, change: Partial<ErrorAnswer> = {}): StripeAnswer {
  return {
    kind: "error",
    httpStatus,
    code: null,
    type: "invalid_request_error",
    message: "Refused.",
    requestId: "req_1",
    rateLimitedReason: null,
    retryAfterMs: null,
    ...change,
  };
}

/** v2 errors carry a code and a message, and often no type. */
const v2Refusal = (httpStatus: number, code: string) => refusal(httpStatus, { code, type: null });

function noAnswer(reachedStripe: "no" | "maybe", code: string | null): StripeAnswer {
  return {
    kind: "no_answer",
    reachedStripe,
    code,
    message: "An error occurred with our connection to Stripe.",
  };
}

const delivered: Verdict = { kind: "delivered", isDuplicate: false };
const duplicate: Verdict = { kind: "delivered", isDuplicate: true };
const rejected: Verdict = { kind: "rejected", reason: "refused_by_stripe" };
const serverError: Verdict = { kind: "unknown", reason: "server_error" };
const lost: Verdict = { kind: "unknown", reason: "no_answer" };
type Retry = Extract<Verdict, { kind: "retry" }>;
const retry = (reason: Retry["reason"], retryAfterMs: number | null = null): Verdict => ({
  kind: "retry",
  reason,
  retryAfterMs,
});

const accepted: StripeAnswer = { kind: "success", httpStatus: 200, requestId: "req_1" };
const duplicateWords = "An event already exists with identifier 0199a-b.";
const noMeterWords = "No active meter found for event name 'readings'.";
const tooManyDigits = "The value in the event payload can have at most 15 digits. Received 1234567890123456.";
const tooOld = "The event timestamp cannot be more than 35 days in past.";
const lockTimeout = { code: "lock_timeout" };
const rateLimited = { rateLimitedReason: "endpoint-rate", retryAfterMs: 7_000 };

const rows: [what: string, answer: StripeAnswer, verdict: Verdict][] = [
  ["accepted", accepted, delivered],
  ["accepted with another 2xx", { ...accepted, httpStatus: 202 }, delivered],

  ["a duplicate on v1, known by its words alone", refusal(400, { message: duplicateWords }), duplicate],
  ["a duplicate in other letters", refusal(400, { message: duplicateWords.toUpperCase() }), duplicate],
  ["a duplicate on v2, known by its code", v2Refusal(400, "duplicate_meter_event"), duplicate],
  ["a duplicate's words in a 500", refusal(500, { message: duplicateWords }), serverError],
  ["a duplicate's words in a 404", refusal(404, { message: duplicateWords }), rejected],

  ["no meter on v1", refusal(400, { message: noMeterWords }), retry("meter_unavailable")],
  [
    "no meter, in other words around it",
    refusal(400, { message: `x: ${noMeterWords}` }),
    retry("meter_unavailable"),
  ],
  ["no meter on v2", v2Refusal(400, "no_meter"), retry("meter_unavailable")],
  ["an inactive meter on v2", v2Refusal(400, "archived_meter"), retry("meter_unavailable")],

  ["another 400", refusal(400), rejected],
  ["more than 15 digits", refusal(400, { message: tooManyDigits }), rejected],
  ["usage too old for Stripe", refusal(400, { message: tooOld }), rejected],
  ["a parameter is missing", refusal(400, { code: "parameter_missing" }), rejected],
  ["a value that v2 refuses", v2Refusal(400, "payload_invalid_value"), rejected],
  ["no customer in the payload on v2", v2Refusal(400, "payload_no_customer_defined"), rejected],
  ["no value in the payload on v2", v2Refusal(400, "payload_no_value_defined"), rejected],
  ["a 404", refusal(404, { code: "resource_missing" }), rejected],
  ["a 402", refusal(402), rejected],
  ["a 413", refusal(413, { type: null }), rejected],

  ["a used Idempotency-Key", refusal(400, { type: "idempotency_error" }), retry("idempotency_error")],
  [
    "an Idempotency-Key in use",
    refusal(409, { type: "idempotency_error", code: "idempotency_key_in_use" }),
    retry("conflict"),
  ],

  ["a wrong key", refusal(401), retry("unauthorized")],
  ["a key without the permission", refusal(403), retry("forbidden")],
  ["an expired session", v2Refusal(401, "billing_meter_event_session_expired"), retry("session_expired")],

  ["a conflict on v1", refusal(409), retry("conflict")],
  ["a conflict on v2", v2Refusal(409, "too_many_concurrent_requests"), retry("conflict")],

  ["a rate limit", refusal(429, { code: "rate_limit", ...rateLimited }), retry("rate_limited", 7_000)],
  ["a rate limit on v2", refusal(429, { type: "rate_limit", ...rateLimited }), retry("rate_limited", 7_000)],
  ["a rate limit sent as 400", refusal(400, { code: "rate_limit" }), retry("rate_limited")],
  ["a lock timeout, which says nothing about the rate", refusal(429, lockTimeout), retry("conflict")],
  [
    "a limit of one object, which says nothing about the rate",
    refusal(429, { rateLimitedReason: "resource-specific" }),
    retry("conflict"),
  ],
  ["a bare 429", refusal(429, { type: null }), retry("rate_limited")],

  ["a 500", refusal(500, { type: "api_error" }), serverError],
  ["a 502", refusal(502, { type: null }), serverError],
  ["a 503", refusal(503, { type: "api_error" }), serverError],
  ["a 504", refusal(504, { type: null }), serverError],
  ["a 500 with a refusal's code", refusal(500, { code: "no_meter" }), serverError],
  ["a lock timeout in a 500", refusal(500, lockTimeout), serverError],
  ["a limit of one object in a 503", refusal(503, { rateLimitedReason: "resource-specific" }), serverError],
  ["a 408, which says nothing of the event", refusal(408, { type: null }), serverError],
  ["an error in a 200", refusal(200), serverError],
  ["an error in a redirect", refusal(302), serverError],

  [
    "words of Stripe's behind a thousand others",
    refusal(400, { message: `${"a ".repeat(1_000)}${duplicateWords}` }),
    rejected,
  ],
  ["a message as long as an answer", refusal(400, { message: "timestamp ".repeat(40_000) }), rejected],

  ["a proxy's page without a status", noAnswer("maybe", null), lost],
  ["a timeout", noAnswer("maybe", "ETIMEDOUT"), lost],
  ["a reset connection or a cut body", noAnswer("maybe", "ECONNRESET"), lost],
  ["a refused connection", noAnswer("no", "ECONNREFUSED"), retry("not_connected")],
  ["an unknown host", noAnswer("no", "ENOTFOUND"), retry("not_connected")],
];

test.for(rows)("%s", ([, answer, verdict]) => {
  expect(verdictOf(answer)).toEqual(verdict);
});

test.for([409, 500])("the class that 409 and 5xx share in the SDK decides nothing about a %d", (status) => {
  const verdict = verdictOf(refusal(status, { type: "api_error" }));

  expect(verdict.kind).toBe(status === 409 ? "retry" : "unknown");
});
