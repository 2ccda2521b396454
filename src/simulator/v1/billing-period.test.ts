import { expect, test } from "vitest";
import { monthsAfter } from "./billing-period.ts";

test.each([
  ["2026-11-20T10:30:15Z", 1, "2026-12-20T10:30:15Z"],
  ["2026-12-31T00:00:00Z", 1, "2027-01-31T00:00:00Z"],
  ["2027-01-31T00:00:00Z", 1, "2027-02-28T00:00:00Z"],
  ["2027-01-31T00:00:00Z", 2, "2027-03-31T00:00:00Z"],
  ["2028-01-31T00:00:00Z", 1, "2028-02-29T00:00:00Z"],
])("%s and %i months end at %s", (anchor, months, end) => {
  expect(monthsAfter(Date.parse(anchor) / 1000, months)).toBe(Date.parse(end) / 1000);
});
