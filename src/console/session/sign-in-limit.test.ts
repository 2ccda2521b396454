import { expect, test } from "vitest";
import { createOneTimeCode } from "./one-time-code.ts";
import { createSignInLimit } from "./sign-in-limit.ts";

test("an address waits after as many wrong tokens as the limit, and no other does", async () => {
  const limit = createSignInLimit({ wrongOfOneMax: 2 });
  await limit.countWrong("10.0.0.1");
  expect(await limit.secondsToWait("10.0.0.1")).toBe(0);
  await limit.countWrong("10.0.0.1");
  await limit.countWrong("10.0.0.1");
  expect(await limit.secondsToWait("10.0.0.1")).toBeGreaterThan(50);
  expect(await limit.secondsToWait("10.0.0.2")).toBe(0);
});

test("after many wrong tokens from everywhere all wait that were wrong, and none that was not", async () => {
  const limit = createSignInLimit({ wrongOfAllMax: 3 });
  for (const address of ["10.0.0.1", "10.0.0.2", "10.0.0.3"]) await limit.countWrong(address);
  expect(await limit.secondsToWait("10.0.0.1")).toBeGreaterThan(0);
  expect(await limit.secondsToWait("10.0.0.9")).toBe(0);
});

test("a code is taken once, in time, and only the right one", () => {
  const madeAt = new Date("2026-11-22T10:00:00Z");
  const at = (minute: number) => new Date(madeAt.getTime() + minute * 60_000);
  const take = createOneTimeCode("code", madeAt);
  expect(take("other", at(1))).toBe(false);
  expect(take("code", at(1))).toBe(true);
  expect(take("code", at(1))).toBe(false);
  expect(createOneTimeCode("code", madeAt)("code", at(10))).toBe(false);
  expect(createOneTimeCode(undefined, madeAt)("undefined", at(1))).toBe(false);
});
