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
const serverError: Verdict = { kind: "unknown", reason: "server_error" };
const lost: Verdict = { kind: "unknown", reason: "no_answer" };
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
  ["an expired session waits for the next alone", retry("session_expired"), 0, atOnce("session_expired")],
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

/** One thing that happens to an event: time passes and an attempt is due, which takes a while and tells `verdict`. */
type Step = { afterMs: number; durationMs: number; verdict: Verdict | "worker_dies" };

type Life = {
  state: Outcome["state"];
  firstUnknownMs: number | null;
  attempts: { startedMs: number; mayBeCounted: boolean }[];
  history: Outcome["state"][];
};

const born: Life = { state: "pending", firstUnknownMs: null, attempts: [], history: ["pending"] };

/** The rules of begin, settle and sweep, without a database. */
function live(life: Life, step: Step, nowMs: number): Life {
  const sendable = life.state === "pending";
  const isRemembered = life.firstUnknownMs === null || nowMs - life.firstUnknownMs < identifierSafeMs;
  if (!sendable) return life;
  if (!isRemembered) return { ...life, state: "in_doubt", history: [...life.history, "in_doubt"] };

  const firstUnknownMs = life.firstUnknownMs ?? nowMs;
  const attempt = { startedMs: nowMs, mayBeCounted: true };
  if (step.verdict === "worker_dies") {
    return { ...life, firstUnknownMs, attempts: [...life.attempts, attempt] };
  }
  const { state } = outcomeOf(step.verdict, {
    firstUnknownAt: new Date(firstUnknownMs),
    now: new Date(nowMs + step.durationMs),
  });
  const isCertain = isCertainlyNotCounted(step.verdict);
  return {
    state,
    firstUnknownMs: isCertain && life.firstUnknownMs === null ? null : firstUnknownMs,
    attempts: [...life.attempts, { ...attempt, mayBeCounted: !isCertain }],
    history: [...life.history, state],
  };
}

const anyVerdict = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(serverError, lost) },
  fc.constantFrom(
    delivered,
    duplicate,
    rejected,
    retry("unauthorized"),
    retry("meter_unavailable"),
    retry("conflict"),
    retry("rate_limited"),
    retry("not_connected"),
  ),
);
const anyStep: fc.Arbitrary<Step> = fc.record({
  afterMs: fc.oneof(
    fc.nat(30 * hourMs),
    fc.nat(60_000),
    fc.constantFrom(identifierSafeMs - 1, identifierSafeMs),
  ),
  durationMs: fc.nat(60_000),
  verdict: fc.oneof({ weight: 5, arbitrary: anyVerdict }, fc.constant<"worker_dies">("worker_dies")),
});
const anySteps = fc.array(anyStep, { maxLength: 30 });

function liveThrough(steps: readonly Step[]): Life {
  let nowMs = startMs;
  let life = born;
  for (const step of steps) {
    nowMs += step.afterMs;
    life = live(life, step, nowMs);
    nowMs += step.durationMs;
  }
  return life;
}

test("no attempt is made when Stripe may have counted and forgotten an earlier one", () => {
  fc.assert(
    fc.property(anySteps, (steps) => {
      const { attempts } = liveThrough(steps);
      const uncertain = attempts.filter(({ mayBeCounted }) => mayBeCounted);
      const [first] = uncertain;
      const last = attempts.at(-1);
      if (first === undefined || last === undefined) return;
      expect(last.startedMs - first.startedMs).toBeLessThan(identifierSafeMs);
    }),
    { numRuns: 2_000 },
  );
});

test("only pending is left, and nothing follows a final state", () => {
  fc.assert(
    fc.property(anySteps, (steps) => {
      const { history } = liveThrough(steps);
      const before = history.slice(0, -1);
      expect(before.every((state) => state === "pending")).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

test("however often an attempt was certainly refused, the event may be tried again for ever", () => {
  const certain = fc.constantFrom(retry("conflict"), retry("rate_limited"), retry("not_connected"));
  fc.assert(
    fc.property(fc.array(certain, { maxLength: 30 }), (verdicts) => {
      const steps = verdicts.map((verdict) => ({ afterMs: 10 * hourMs, durationMs: 100, verdict }));
      expect(liveThrough(steps)).toMatchObject({ state: "pending", firstUnknownMs: null });
    }),
  );
});

test("an event is in doubt only after an attempt that may have been counted", () => {
  fc.assert(
    fc.property(anySteps, (steps) => {
      const { state, attempts } = liveThrough(steps);
      expect(state !== "in_doubt" || attempts.some(({ mayBeCounted }) => mayBeCounted)).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});
