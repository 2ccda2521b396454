import { expect, test } from "vitest";
import { loadTemperatures, parseTemperatures, shiftTo } from "./temperatures.ts";

const dayMs = 86_400_000;
const now = new Date("2026-11-20T10:00:00Z");

test("the columns are found by their names", () => {
  const csv = "wind,temperature,date\n3.8,-4.5,2010-01-01T01:00:00\n";
  expect(parseTemperatures(csv)).toEqual([{ recordedAt: new Date("2010-01-01T01:00:00Z"), celsius: -4.5 }]);
});

test("a line without a temperature is refused", () => {
  expect(() => parseTemperatures("date,temperature\n2010-01-01T01:00:00,\n")).toThrow("no temperature");
});

test("all times move by the same distance", () => {
  const temperatures = parseTemperatures("date,temperature\n2010-01-01T01:00:00,4\n2010-01-01T02:00:00,5\n");
  expect(shiftTo(now, temperatures).map(({ recordedAt }) => recordedAt.toISOString())).toEqual([
    "2026-11-20T09:00:00.000Z",
    "2026-11-20T10:00:00.000Z",
  ]);
});

test("the data set is a year of distinct hours, none of them older than a year when the last is now", async () => {
  const times = (await loadTemperatures(now)).map(({ recordedAt }) => recordedAt.getTime());
  expect(new Set(times).size).toBe(8_759);
  expect(Math.max(...times)).toBe(now.getTime());
  expect(now.getTime() - Math.min(...times)).toBeLessThan(365 * dayMs);
});
