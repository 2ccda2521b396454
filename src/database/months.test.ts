import { expect, test } from "vitest";
import { addMonths, monthsBetween, startOfMonth } from "./months.ts";

const days = (months: Date[]) => months.map((month) => month.toISOString().slice(0, 10));

test("a month starts at midnight UTC, also for its last millisecond", () => {
  const start = new Date("2026-11-01T00:00:00.000Z");
  expect(startOfMonth(new Date("2026-11-30T23:59:59.999Z"))).toEqual(start);
  expect(startOfMonth(start)).toEqual(start);
});

test.each([
  ["2026-11-15T12:00:00Z", 0, "2026-11-01"],
  ["2026-11-15T12:00:00Z", 2, "2027-01-01"],
  ["2026-01-31T12:00:00Z", 1, "2026-02-01"],
  ["2026-01-31T12:00:00Z", -2, "2025-11-01"],
  ["2026-03-31T12:00:00Z", -1, "2026-02-01"],
])("from %s, %i months on, a month starts on %s", (from, months, start) => {
  expect(days([addMonths(new Date(from), months)])).toEqual([start]);
});

test("the months of a span include both of its ends", () => {
  const span = monthsBetween(new Date("2025-11-30T23:59:59Z"), new Date("2026-02-01T00:00:00Z"));
  expect(days(span)).toEqual(["2025-11-01", "2025-12-01", "2026-01-01", "2026-02-01"]);
});

test("a span inside one month is that month", () => {
  const span = monthsBetween(new Date("2026-02-02T00:00:00Z"), new Date("2026-02-27T00:00:00Z"));
  expect(days(span)).toEqual(["2026-02-01"]);
});

test("a span that ends before it starts holds no month", () => {
  expect(monthsBetween(new Date("2026-02-01T00:00:00Z"), new Date("2026-01-31T23:59:59Z"))).toEqual([]);
});
