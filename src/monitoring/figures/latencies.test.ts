import fc from "fast-check";
import { expect, test } from "vitest";
import { growth, mergeLatencies, percentileOf } from "./latencies.ts";

const stepOf = (ms: number) => String(Math.ceil(Math.log(Math.max(ms, 1)) / Math.log(growth)));

function countSteps(durations: readonly number[]): Record<string, number> {
  return durations.reduce<Record<string, number>>(
    (counts, ms) => ({ ...counts, [stepOf(ms)]: (counts[stepOf(ms)] ?? 0) + 1 }),
    {},
  );
}

test("a percentile is told within a twentieth of the attempt that it falls on", () => {
  const durations = fc.array(fc.integer({ min: 1, max: 60_000 }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(durations, fc.constantFrom(0.5, 0.95, 0.99), (all, share) => {
      const exact = all.toSorted((a, b) => a - b)[Math.ceil(all.length * share) - 1] ?? Number.NaN;
      const told = percentileOf(countSteps(all), share) ?? Number.NaN;
      expect(Math.abs(told - exact) / exact).toBeLessThanOrEqual(0.05);
    }),
  );
});

test("parts that are merged tell what all their attempts together tell", () => {
  const [morning, evening] = [
    [3, 40, 41, 900],
    [7, 40, 15_000],
  ];
  const merged = mergeLatencies([countSteps(morning ?? []), countSteps(evening ?? [])]);
  expect(merged).toEqual(countSteps([...(morning ?? []), ...(evening ?? [])]));
});

test("no attempt has no percentile", () => {
  expect(percentileOf({}, 0.5)).toBeNull();
});
