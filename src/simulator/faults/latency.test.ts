import { expect, test } from "vitest";
import { createRandom } from "../random.ts";
import { faultSpecSchema } from "./fault.ts";
import { latencyMs } from "./latency.ts";

test("a fixed delay is always the same", () => {
  expect(delaysOf({ ms: 20 })).toEqual(Array.from({ length: 1_000 }, () => 20));
});

test("a uniform delay lies between its shortest and its longest", () => {
  const delays = delaysOf({ distribution: "uniform", min_ms: 10, ms: 20 });

  expect(Math.min(...delays)).toBeGreaterThanOrEqual(10);
  expect(Math.max(...delays)).toBeLessThan(20);
});

test("an exponential delay has the mean that it was given", () => {
  const delays = delaysOf({ distribution: "exponential", ms: 100 });
  const mean = delays.reduce((sum, delay) => sum + delay, 0) / delays.length;

  expect(mean).toBeGreaterThan(90);
  expect(mean).toBeLessThan(110);
});

function delaysOf(rule: object): number[] {
  const spec = faultSpecSchema.parse({ kind: "latency", ...rule });
  if (spec.kind !== "latency") throw new Error("Not a latency.");
  const random = createRandom(7);
  return Array.from({ length: 1_000 }, () => latencyMs(spec, random));
}
