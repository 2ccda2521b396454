import fc from "fast-check";
import { expect, test } from "vitest";
import { createTokenBucket, type TokenBucket } from "./token-bucket.ts";
import type { Verdict } from "./verdict.ts";

/** A bucket on a clock that only the test moves. */
function createTimedBucket(perSecond: number) {
  let nowMs = 1_000;
  const bucket = createTokenBucket(perSecond, () => nowMs);
  return { bucket, advance: (ms: number) => void (nowMs += ms), now: () => nowMs };
}

const rateLimited = (retryAfterMs: number | null): Verdict => ({
  kind: "retry",
  reason: "rate_limited",
  retryAfterMs,
});

/** Takes all that the bucket gives now. */
function drain(bucket: TokenBucket): number {
  const count = bucket.available();
  bucket.take(count);
  return count;
}

/** Sends as much as the bucket allows for a while, asking every 10 ms. */
function sendFor({ bucket, advance }: ReturnType<typeof createTimedBucket>, ms: number): number {
  let sent = drain(bucket);
  for (let passedMs = 0; passedMs < ms; passedMs += 10) {
    advance(10);
    sent += drain(bucket);
  }
  return sent;
}

test.for([1, 15, 100, 800])("at %d a second, a minute sends no more and hardly less", (perSecond) => {
  const timed = createTimedBucket(perSecond);
  drain(timed.bucket);

  const sent = sendFor(timed, 60_000);

  expect(sent).toBeLessThanOrEqual(60 * perSecond);
  expect(sent).toBeGreaterThanOrEqual(60 * perSecond - 1);
});

test.for([
  [800, 200],
  [100, 25],
  [4, 1],
  [1, 1],
  [0.5, 1],
] as const)("at %d a second, at most %d go at once, however long nothing went", ([perSecond, burst]) => {
  const { bucket, advance } = createTimedBucket(perSecond);
  expect(bucket.available()).toBe(burst);

  advance(3_600_000);

  expect(bucket.available()).toBe(burst);
});

test("an empty bucket says when the next request may start", () => {
  const { bucket, advance } = createTimedBucket(10);
  drain(bucket);
  expect(bucket.available()).toBe(0);

  const waitMs = bucket.waitMs();
  advance(waitMs - 1);
  expect(bucket.available()).toBe(0);
  advance(1);

  expect(bucket.available()).toBe(1);
  expect(bucket.waitMs()).toBe(0);
});

test.for([
  ["as many as are wanted", 1_000, 100, 100],
  ["half of what may go at once, where more is wanted", 400, 100, 50],
  ["one, where hardly any may go at once", 4, 100, 1],
] as const)("it is told when those may start that fill a request: %s", ([, perSecond, wanted, started]) => {
  const { bucket, advance } = createTimedBucket(perSecond);
  expect(bucket.waitMs(wanted)).toBe(0);
  drain(bucket);

  advance(bucket.waitMs(wanted) - 1);
  expect(bucket.available()).toBeLessThan(started);
  expect(bucket.waitMs(wanted)).toBeGreaterThan(0);
  advance(1);

  expect([bucket.available(), bucket.waitMs(wanted)]).toEqual([started, 0]);
});

test("after a 429 nothing goes until Retry-After is over, and then not all at once", () => {
  const { bucket, advance } = createTimedBucket(100);

  bucket.observe(rateLimited(3_000));

  expect(bucket.available()).toBe(0);
  expect(bucket.waitMs()).toBe(3_020);
  advance(2_999);
  expect(bucket.available()).toBe(0);
  advance(21);
  expect(bucket.available()).toBe(1);
});

test("without Retry-After a 429 stops sending for a second", () => {
  const { bucket, advance } = createTimedBucket(1_000);

  bucket.observe(rateLimited(null));

  advance(999);
  expect(bucket.available()).toBe(0);
  advance(1 + 2);
  expect(bucket.available()).toBe(1);
});

test("a Retry-After of a year, which no page of Stripe's names, holds usage back for the longest pause alone", () => {
  let nowMs = 0;
  const bucket = createTokenBucket(100, () => nowMs, 60_000);

  bucket.observe(rateLimited(365 * 86_400_000));

  expect([bucket.available(), bucket.isClosed()]).toEqual([0, true]);
  nowMs += 60_000 + 20;
  expect([bucket.available(), bucket.isClosed()]).toEqual([1, false]);
});

test("a shorter Retry-After does not cut a longer one short", () => {
  const { bucket, advance } = createTimedBucket(1_000);
  bucket.observe(rateLimited(5_000));
  bucket.observe(rateLimited(1_000));

  advance(4_999);

  expect(bucket.available()).toBe(0);
});

test("the 429s of one burst halve the rate once, those of the next burst again", () => {
  const { bucket, advance } = createTimedBucket(800);
  for (let i = 0; i < 50; i += 1) bucket.observe(rateLimited(0));
  expect(bucket.rate()).toBe(400);

  advance(1_000);
  bucket.observe(rateLimited(0));

  expect(bucket.rate()).toBeCloseTo(200 * 2 ** 0.1, 0);
});

test("a halved rate is whole again after ten seconds, and grows no further", () => {
  const { bucket, advance } = createTimedBucket(800);
  bucket.observe(rateLimited(0));

  advance(5_000);
  expect(bucket.rate()).toBeCloseTo(400 * Math.SQRT2, 0);
  advance(5_000);
  expect(bucket.rate()).toBeCloseTo(800, 6);
  advance(60_000);
  expect(bucket.rate()).toBe(800);
});

test("the rate does not grow while nothing may be sent", () => {
  const { bucket, advance } = createTimedBucket(800);
  bucket.observe(rateLimited(60_000));

  advance(60_000);

  expect(bucket.rate()).toBe(400);
});

test("however many 429s come, one request a second is left", () => {
  const timed = createTimedBucket(800);
  for (let i = 0; i < 30; i += 1) {
    timed.bucket.observe(rateLimited(0));
    timed.advance(1_000);
  }

  expect(timed.bucket.rate()).toBeGreaterThanOrEqual(1);
  expect(sendFor(timed, 10_000)).toBeGreaterThanOrEqual(10);
});

test("a rate below one a second is not raised by a 429", () => {
  const { bucket } = createTimedBucket(0.5);

  bucket.observe(rateLimited(0));

  expect(bucket.rate()).toBe(0.5);
});

const otherVerdicts: Verdict[] = [
  { kind: "delivered", isDuplicate: false },
  { kind: "rejected", reason: "refused_by_stripe" },
  { kind: "retry", reason: "conflict", retryAfterMs: 5_000 },
  { kind: "unknown", reason: "server_error" },
];

test.for(otherVerdicts)("%o slows nothing down", (verdict) => {
  const { bucket } = createTimedBucket(100);

  bucket.observe(verdict);

  expect([bucket.rate(), bucket.available(), bucket.waitMs()]).toEqual([100, 25, 0]);
});

type Step = { do: "send" } | { do: "wait"; ms: number } | { do: "refused"; retryAfterMs: number | null };
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Step>({ do: "send" }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat(3_000) }) },
  fc.record({ do: fc.constant("refused" as const), retryAfterMs: fc.option(fc.nat(5_000)) }),
);

test("whatever happens: never more than the rate and a burst, never while closed, never a negative wait", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000 }),
      fc.array(anyStep, { maxLength: 60 }),
      (perSecond, steps) => {
        const { bucket, advance, now } = createTimedBucket(perSecond);
        const startedAtMs = now();
        let closedUntilMs = 0;
        let sent = 0;
        for (const step of steps) {
          if (step.do === "wait") advance(step.ms);
          if (step.do === "send") sent += drain(bucket);
          expect(now() < closedUntilMs && bucket.available() > 0).toBe(false);
          if (step.do === "refused") {
            bucket.observe(rateLimited(step.retryAfterMs));
            closedUntilMs = Math.max(closedUntilMs, now() + (step.retryAfterMs ?? 1_000));
          }
          expect(bucket.waitMs()).toBeGreaterThanOrEqual(0);
          expect(bucket.waitMs() === 0).toBe(bucket.available() > 0);
          expect(bucket.rate()).toBeLessThanOrEqual(perSecond);
          expect(bucket.rate()).toBeGreaterThanOrEqual(1);
        }
        const allowed = Math.max(1, perSecond / 4) + (perSecond * (now() - startedAtMs)) / 1_000;
        expect(sent).toBeLessThanOrEqual(Math.floor(allowed + 1e-6));
      },
    ),
    { numRuns: 500 },
  );
});
