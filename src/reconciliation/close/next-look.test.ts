import { expect, test } from "vitest";
import { type Looked, nextLook } from "./next-look.ts";

const end = new Date("2026-11-01T00:00:00Z");
const dayMinutes = 24 * 60;
const hours = (count: number) => new Date(end.getTime() + count * 3_600_000);
const minutesUntil = (looked: Partial<Looked>) => {
  const at = {
    now: hours(1),
    end,
    hasInvoice: true,
    hasDraft: false,
    isGivenUp: false,
    isDraftDue: false,
    isClosed: true,
    isLacking: false,
    isNewlyLacking: false,
    isAwaited: false,
  };
  const all: Looked = { ...at, books: "equal", ...looked };
  return (nextLook(all).getTime() - all.now.getTime()) / 60_000;
};

test("a draft that Stripe finalizes is looked at every minute, however old it is", () => {
  const draft = { hasDraft: true, isDraftDue: true, isClosed: false } as const;
  expect(minutesUntil(draft)).toBe(1);
  expect(minutesUntil({ ...draft, now: hours(2_000) })).toBe(1);
});

test("a draft that nothing finalizes is looked at more and more rarely, and daily in the end", () => {
  const draft = { hasDraft: true, isClosed: false } as const;
  expect([1, 50, 200, 2_000].map((age) => minutesUntil({ ...draft, now: hours(age) }))).toEqual([
    1,
    60,
    360,
    24 * 60,
  ]);
});

test("an invoice that does not come is looked for more and more rarely", () => {
  const without = { hasInvoice: false, isClosed: false } as const;
  expect([1, 5, 30, 200].map((age) => minutesUntil({ ...without, now: hours(age) }))).toEqual([
    1, 10, 60, 360,
  ]);
});

test("an invoice in the place of a void one is looked for daily, once the books are equal", () => {
  const ended = { hasInvoice: false, isGivenUp: true, isClosed: false } as const;
  expect([1, 5, 200].map((age) => minutesUntil({ ...ended, now: hours(age) }))).toEqual(
    Array.from({ length: 3 }, () => 24 * 60),
  );
  expect(minutesUntil({ ...ended, now: hours(5), books: "settling" })).toBe(10);
});

test("a closed period is looked at daily when all is equal, and more often while something is missing", () => {
  expect(minutesUntil({ now: hours(1) })).toBe(24 * 60);
  expect(minutesUntil({ now: hours(20), isLacking: true })).toBe(1);
  expect(minutesUntil({ now: hours(50), books: "open" })).toBe(60);
});

test("after 40 days it is not looked at any more", () => {
  const ended = { now: hours(24 * 41), hasInvoice: false, isClosed: false, books: "open" } as const;
  expect(minutesUntil(ended)).toBeGreaterThan(1_000 * 365 * dayMinutes);
  expect(minutesUntil({ ...ended, isLacking: true })).toBeGreaterThan(1_000 * 365 * dayMinutes);
});

test("after 40 days an invoice that Stripe may make yet is looked for weekly, and what lacks then is told for 35 days", () => {
  const ended = { now: hours(24 * 41), hasInvoice: false, isClosed: false } as const;
  expect(minutesUntil({ ...ended, isAwaited: true })).toBe(7 * dayMinutes);
  expect(minutesUntil({ ...ended, isLacking: true, isNewlyLacking: true })).toBe(35 * dayMinutes);
});
