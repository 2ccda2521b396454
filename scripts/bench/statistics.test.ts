import { expect, test } from "vitest";
import { medianOf, quantileOf, summarize } from "./statistics.ts";

test.each([
  [[3], 3],
  [[10, 2, 3], 3],
  [[4, 1, 10, 2], 3],
])("the median of %j is %d", (figures, median) => {
  expect(medianOf(figures)).toBe(median);
});

test("a summary has the lowest and the highest figure", () => {
  expect(summarize([5, 1, 9])).toEqual({ median: 5, min: 1, max: 9 });
});

test.each([
  [0.5, 50],
  [0.99, 99],
  [1, 100],
  [0, 1],
])("the quantile %d of 1 to 100 is %d", (share, value) => {
  const figures = Array.from({ length: 100 }, (_, index) => 100 - index);
  expect(quantileOf(figures, share)).toBe(value);
});

test("no figures have neither median nor quantile", () => {
  expect(() => medianOf([])).toThrow(RangeError);
  expect(() => quantileOf([], 0.5)).toThrow(RangeError);
});
