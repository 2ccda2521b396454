import { expect, test } from "vitest";
import { isMet, ratioOf } from "./comparison.ts";

const figures = { ours: [80, 90, 100], theirs: [100, 100, 50] };
const comparison = { ...figures, bench: "intake-batch" as const, what: "", unit: "", peer: "" };

test("the ratio is that of the medians", () => {
  expect(ratioOf(figures)).toBe(0.9);
});

test.each([
  ["at least", 0.9, true],
  ["at least", 0.91, false],
  ["at most", 0.9, true],
  ["at most", 0.89, false],
] as const)("a ratio of 0.9 against %s %d", (ratio, value, met) => {
  expect(isMet({ ...comparison, target: { ratio, value } })).toBe(met);
});

test("without a target nothing can be missed", () => {
  expect(isMet(comparison)).toBeUndefined();
});
