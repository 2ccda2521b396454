import { expect, test } from "vitest";
import { createClock } from "./clock.ts";

test("a running clock goes with real time, from where it was set", () => {
  let realNowMs = 1_000;
  const clock = createClock(() => realNowMs);
  clock.set(500_000);
  realNowMs += 250;

  expect(clock.nowMs()).toBe(500_250);
  expect(clock.nowSeconds()).toBe(500);
});

test("a frozen clock stands still until it is advanced", () => {
  let realNowMs = 1_000;
  const clock = createClock(() => realNowMs);
  clock.freeze();
  realNowMs += 250;
  clock.advance(10);

  expect(clock.nowMs()).toBe(1_010);
});

test("a thawed clock goes on from where it stood", () => {
  let realNowMs = 1_000;
  const clock = createClock(() => realNowMs);
  clock.freeze();
  realNowMs += 5_000;
  clock.run();
  realNowMs += 1;

  expect(clock.nowMs()).toBe(1_001);
});
