import { expect, test } from "vitest";
import { createRests } from "./rests.ts";

const restMs = 500;

function restsAt(clock: { nowMs: number }) {
  return createRests(restMs, () => clock.nowMs);
}

test("a meter that had nothing is asked again after its rest, and others meanwhile", () => {
  const clock = { nowMs: 1_000 };
  const rests = restsAt(clock);

  rests.look("readings")();

  expect(rests.isResting("readings")).toBe(true);
  expect(rests.isResting("sensors")).toBe(false);
  clock.nowMs += restMs;
  expect(rests.isResting("readings")).toBe(false);
});

test("a settled request ends the rest of its own meter", () => {
  const rests = restsAt({ nowMs: 1_000 });
  rests.look("readings")();
  rests.look("sensors")();

  rests.wake("readings");

  expect(rests.isResting("readings")).toBe(false);
  expect(rests.isResting("sensors")).toBe(true);
});

test("a request that is settled during the look keeps the meter from resting", () => {
  const rests = restsAt({ nowMs: 1_000 });
  const restNow = rests.look("readings");

  rests.wake("readings");
  restNow();

  expect(rests.isResting("readings")).toBe(false);
});
