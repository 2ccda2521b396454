import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Problem } from "./problem.ts";
import { limitReadings, limitRequests } from "./rate-limit.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** The status and the seconds to wait, or undefined when nothing is refused. */
async function refusalOf(asked: Promise<void> | undefined): Promise<string | undefined> {
  try {
    await asked;
    return undefined;
  } catch (error) {
    if (!(error instanceof Problem) || error.fields.code !== "rate_limited") throw error;
    return `${error.fields.status} ${error.fields.headers?.["retry-after"]}`;
  }
}

test("a limit of 0 is none", () => {
  expect(limitRequests(0)).toBeUndefined();
  expect(limitReadings(0)).toBeUndefined();
});

test("a key may ask so many times a second, and again in the next", async () => {
  const limit = limitRequests(3);
  for (let asked = 0; asked < 3; asked += 1) expect(await refusalOf(limit?.("a"))).toBeUndefined();
  expect(await refusalOf(limit?.("a"))).toBe("429 1");
  vi.advanceTimersByTime(1_000);
  expect(await refusalOf(limit?.("a"))).toBeUndefined();
});

test("one key's requests are not another's", async () => {
  const limit = limitRequests(1);
  await limit?.("a");
  expect(await refusalOf(limit?.("a"))).toBe("429 1");
  expect(await refusalOf(limit?.("b"))).toBeUndefined();
});

test("a second's worth of readings may come in any number of requests", async () => {
  const limit = limitReadings(10);
  for (let sent = 0; sent < 2; sent += 1) {
    expect(await refusalOf(limit?.admit("a"))).toBeUndefined();
    await limit?.charge("a", 5);
  }
  expect(await refusalOf(limit?.admit("a"))).toBeUndefined();
  await limit?.charge("a", 1);
  expect(await refusalOf(limit?.admit("a"))).toBe("429 1");
  expect(await refusalOf(limit?.admit("b"))).toBeUndefined();
});

test("a request of more than a second's worth is let through, and paid for with waiting", async () => {
  const limit = limitReadings(10);
  expect(await refusalOf(limit?.admit("a"))).toBeUndefined();
  await limit?.charge("a", 1_000);
  expect(await refusalOf(limit?.admit("a"))).toBe("429 99");
  vi.advanceTimersByTime(98_500);
  expect(await refusalOf(limit?.admit("a"))).toBe("429 1");
  vi.advanceTimersByTime(500);
  expect(await refusalOf(limit?.admit("a"))).toBeUndefined();
});

test("readings of requests that come together are all charged", async () => {
  const limit = limitReadings(10);
  await Promise.all(Array.from({ length: 50 }, async () => limit?.charge("a", 10)));
  expect(await refusalOf(limit?.admit("a"))).toBe("429 49");
});

test("no debt is longer than a day", async () => {
  const limit = limitReadings(1);
  for (let sent = 0; sent < 30; sent += 1) await limit?.charge("a", 100_000);
  expect(await refusalOf(limit?.admit("a"))).toBe("429 86399");
});

test("a key that has paid takes no memory, however many there were", async () => {
  const requests = limitRequests(5);
  const readings = limitReadings(5);
  for (let key = 0; key < 1_000; key += 1) {
    await requests?.(`key-${key}`);
    await readings?.charge(`key-${key}`, 5);
  }
  // Each entry has one timer, which removes it.
  expect(vi.getTimerCount()).toBe(2_000);
  vi.advanceTimersByTime(1_001);
  expect(vi.getTimerCount()).toBe(0);
});
