import { expect, test } from "vitest";
import { failuresInRowMax, type Health, healthOf, pauseAfter } from "./breaker-rules.ts";
import type { RetryReason, Verdict } from "./verdict.ts";

const retry = (reason: RetryReason): Verdict => ({ kind: "retry", reason, retryAfterMs: null });
const foreign: Verdict = { kind: "unknown", reason: "foreign_answer" };
const lost: Verdict = { kind: "unknown", reason: "no_answer" };
const serverError: Verdict = { kind: "unknown", reason: "server_error" };
const delivered: Verdict = { kind: "delivered", isDuplicate: false };
const rejected: Verdict = { kind: "rejected", reason: "refused_by_stripe" };

/** Every reason there is, by its type. */
const healthOfRetries: Record<RetryReason, Health> = {
  conflict: "works",
  meter_unavailable: "works",
  idempotency_error: "works",
  session_expired: "works",
  too_early: "works",
  unauthorized: "says_nothing",
  forbidden: "says_nothing",
  rate_limited: "says_nothing",
  held_back: "says_nothing",
  not_connected: "fails",
};

const healths: [verdict: Verdict, health: Health][] = [
  [delivered, "works"],
  [{ kind: "delivered", isDuplicate: true }, "works"],
  [rejected, "works"],
  ...Object.entries(healthOfRetries).map(([reason, health]): [Verdict, Health] => [
    retry(reason as RetryReason),
    health,
  ]),
  [serverError, "fails"],
  [lost, "fails"],
  [foreign, "fails"],
];

test.for(healths)("after %o Stripe %s", ([verdict, health]) => {
  expect(healthOf(verdict)).toBe(health);
});

const meter = "temperature_readings";

test.for(["unauthorized", "forbidden"] as const)(
  "%s pauses the account at once, a minute each time",
  (reason) => {
    expect(pauseAfter(retry(reason), { meter, failuresInRow: 0 })).toEqual({
      scope: "account",
      reason,
      firstMs: 60_000,
      maxMs: 60_000,
    });
  },
);

test("a missing or inactive meter pauses that meter alone", () => {
  expect(pauseAfter(retry("meter_unavailable"), { meter, failuresInRow: 0 })).toMatchObject({
    scope: meter,
    reason: "meter_unavailable",
  });
});

test.for([serverError, lost, foreign, retry("not_connected")])(
  "a run of %o pauses the account",
  (verdict) => {
    expect(pauseAfter(verdict, { meter, failuresInRow: failuresInRowMax - 1 })).toBeUndefined();
    expect(pauseAfter(verdict, { meter, failuresInRow: failuresInRowMax })).toEqual({
      scope: "account",
      reason: "stripe_unavailable",
      firstMs: 5_000,
      maxMs: 300_000,
    });
  },
);

const harmless = Object.keys(healthOfRetries).filter(
  (reason) => !["unauthorized", "forbidden", "meter_unavailable", "not_connected"].includes(reason),
);

test.for([delivered, rejected, ...harmless.map((reason) => retry(reason as RetryReason))])(
  "%o pauses nothing, whatever came before",
  (verdict) => {
    expect(pauseAfter(verdict, { meter, failuresInRow: failuresInRowMax })).toBeUndefined();
  },
);
