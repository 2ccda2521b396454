import fc from "fast-check";
import { expect, test } from "vitest";
import { identifierSafeMs } from "./limits.ts";
import { isCertainlyNotCounted, type Outcome, outcomeOf } from "./outcome.ts";
import type { Verdict } from "./verdict.ts";

type Retry = Extract<Verdict, { kind: "retry" }>;

const hourMs = 3_600_000;
const startMs = Date.parse("2026-11-20T10:00:00Z");
const firstUnknownAt = new Date(startMs);
const delivered: Verdict = { kind: "delivered", isDuplicate: false };
const duplicate: Verdict = { kind: "delivered", isDuplicate: true };
const rejected: Verdict = { kind: "rejected", reason: "refused_by_stripe" };
const serverError = { kind: "unknown", reason: "server_error" } as const;
const lost = { kind: "unknown", reason: "no_answer" } as const;
const foreign = { kind: "unknown", reason: "foreign_answer" } as const;
const retry = (reason: Retry["reason"]): Retry => ({ kind: "retry", reason, retryAfterMs: null });

const later = (reason: string): Outcome => ({ state: "pending", reason, again: "after_backoff" });
const atOnce = (reason: string): Outcome => ({ state: "pending", reason, again: "at_once" });
const inDoubt: Outcome = { state: "in_doubt", reason: "identifier_too_old" };
const refused: Outcome = { state: "rejected", reason: "refused_by_stripe" };

const rows: [what: string, verdict: Verdict, ageMs: number, outcome: Outcome][] = [
  ["an accepted event is delivered", delivered, 0, { state: "delivered", reason: "accepted" }],
  ["a duplicate is delivered", duplicate, 0, { state: "delivered", reason: "duplicate" }],
  [
    "a duplicate is delivered at any age",
    duplicate,
    30 * hourMs,
    { state: "delivered", reason: "duplicate" },
  ],
  ["a refused event is rejected", rejected, 0, refused],
  ["a server error is tried again later", serverError, 0, later("server_error")],
  ["a missing answer is tried again later", lost, 0, later("no_answer")],
  ["just before the identifier's end it is tried again", lost, identifierSafeMs - 1, later("no_answer")],
  ["at the identifier's end a missing answer is in doubt", lost, identifierSafeMs, inDoubt],
  ["at the identifier's end a server error is in doubt", serverError, identifierSafeMs, inDoubt],
  ["a conflict is tried again later", retry("conflict"), 0, later("conflict")],
  ["a rate limit is tried again later", retry("rate_limited"), 0, later("rate_limited")],
  ["a used Idempotency-Key is tried again later", retry("idempotency_error"), 0, later("idempotency_error")],
  ["a refused connection is tried again later", retry("not_connected"), 0, later("not_connected")],
  ["a wrong key waits for its pause alone", retry("unauthorized"), 0, atOnce("unauthorized")],
  ["a missing permission waits for its pause alone", retry("forbidden"), 0, atOnce("forbidden")],
  ["a missing meter waits for its pause alone", retry("meter_unavailable"), 0, atOnce("meter_unavailable")],
  ["an expired session is tried again later", retry("session_expired"), 0, later("session_expired")],
];

test.for(rows)("%s", ([, verdict, ageMs, outcome]) => {
  const now = new Date(startMs + ageMs);
  expect(outcomeOf(verdict, { firstUnknownAt, now })).toEqual(outcome);
});

test.for([
  [rejected, true],
  [retry("conflict"), true],
  [retry("not_connected"), true],
  [serverError, false],
  [lost, false],
  [delivered, false],
] as const)("%o leaves no doubt that it was not counted: %o", ([verdict, isCertain]) => {
  expect(isCertainlyNotCounted(verdict)).toBe(isCertain);
});

const anyReason: Record<Retry["reason"], true> = {
  unauthorized: true,
  forbidden: true,
  meter_unavailable: true,
  conflict: true,
  rate_limited: true,
  idempotency_error: true,
  session_expired: true,
  not_connected: true,
  too_early: true,
  held_back: true,
};
const anyRetry = fc.constantFrom(...Object.keys(anyReason).map((reason) => retry(reason as Retry["reason"])));
const anyUnknown = fc.constantFrom(serverError, lost, foreign);
const anyAgeMs = fc.oneof(
  fc.nat(40 * 24 * hourMs),
  fc.constantFrom(identifierSafeMs - 1, identifierSafeMs, identifierSafeMs + 1),
);
const outcomeAfter = (verdict: Verdict, ageMs: number) =>
  outcomeOf(verdict, { firstUnknownAt, now: new Date(startMs + ageMs) });

test("an event that Stripe may have counted is sent again exactly as long as Stripe remembers its identifier", () => {
  fc.assert(
    fc.property(anyUnknown, anyAgeMs, (verdict, ageMs) => {
      const expected = ageMs < identifierSafeMs ? later(verdict.reason) : inDoubt;
      expect(outcomeAfter(verdict, ageMs)).toEqual(expected);
    }),
  );
});

test("however old an event is, what was certainly not counted is tried again, and is never in doubt", () => {
  fc.assert(
    fc.property(anyRetry, anyAgeMs, (verdict, ageMs) => {
      expect(outcomeAfter(verdict, ageMs)).toMatchObject({ state: "pending", reason: verdict.reason });
      expect(isCertainlyNotCounted(verdict)).toBe(true);
    }),
  );
});

test("what Stripe says for good ends an event at any age", () => {
  fc.assert(
    fc.property(fc.constantFrom(delivered, duplicate, rejected), anyAgeMs, (verdict, ageMs) => {
      expect(outcomeAfter(verdict, ageMs).state).toBe(verdict.kind);
    }),
  );
});
