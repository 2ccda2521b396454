import { expect, test } from "vitest";
import { createStripeClock } from "./stripe-clock.ts";

const startMs = Date.parse("2026-11-20T10:00:00Z");
const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

/** A clock of Stripe's, the clocks of the machine that it is kept on, and an answer with Stripe's time. */
function openClocks() {
  const passed = { ours: 0, monotonic: 0 };
  const clock = createStripeClock(
    () => startMs + passed.ours,
    () => passed.monotonic,
  );
  return {
    aheadMs: () => clock.nowMs() - startMs - passed.ours,
    isKnown: () => clock.knownMs() !== undefined,
    answer: (aheadMs: number) => clock.observe(new Date(startMs + passed.ours + aheadMs).toUTCString()),
    pass: (ms: number) => {
      passed.ours += ms;
      passed.monotonic += ms;
    },
    setOurs: (ms: number) => {
      passed.ours += ms;
    },
  };
}

test.for([-10 * minuteMs, 10 * minuteMs, -dayMs, dayMs])(
  "Stripe's time is known from an answer on, %d ms from ours",
  (aheadMs) => {
    const clocks = openClocks();
    expect(clocks.aheadMs()).toBe(0);

    clocks.answer(aheadMs);
    expect(clocks.aheadMs()).toBe(aheadMs);

    clocks.pass(14 * minuteMs);
    expect(clocks.aheadMs()).toBe(aheadMs);
    clocks.answer(minuteMs);
    expect(clocks.aheadMs()).toBe(minuteMs);
  },
);

test.for([-10 * 365 * dayMs, 10 * 365 * dayMs])(
  "an answer %d ms from our time is not believed",
  (aheadMs) => {
    const clocks = openClocks();
    clocks.answer(-minuteMs);

    clocks.answer(aheadMs);

    expect(clocks.aheadMs()).toBe(-minuteMs);
  },
);

test("Stripe's time is ours again after a quarter of an hour without an answer", () => {
  const clocks = openClocks();
  clocks.answer(-10 * minuteMs);

  expect(clocks.isKnown()).toBe(true);

  clocks.pass(15 * minuteMs);

  expect(clocks.isKnown()).toBe(false);
  expect(clocks.aheadMs()).toBe(0);
});

test.for([-20 * minuteMs, 20 * minuteMs])(
  "Stripe's time is ours again when ours was set %d ms on, or the machine slept",
  (ms) => {
    const clocks = openClocks();
    clocks.answer(-10 * minuteMs);

    clocks.setOurs(ms);

    expect(clocks.aheadMs()).toBe(0);
  },
);

test("an answer without a time, or with none that can be read, changes nothing", () => {
  const clock = createStripeClock(() => startMs);
  for (const date of [undefined, "", "yesterday", 7]) clock.observe(date);

  expect(clock.nowMs()).toBe(startMs);
});
