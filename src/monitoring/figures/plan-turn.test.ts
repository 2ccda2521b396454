import { expect, test } from "vitest";
import { planTurn } from "./plan-turn.ts";

/** So many minutes after noon. */
const at = (minutes: number) => new Date(Date.UTC(2026, 10, 22, 12, minutes));

test("a minute is counted when it has ended, and for the last time when its attempts have", () => {
  expect(planTurn({ writtenUntil: at(29), finalUntil: at(24), endsAt: at(30) })).toEqual({
    latest: { from: at(29), to: at(30) },
    final: { from: at(24), to: at(25) },
    finalUntil: at(25),
    isBehind: false,
  });
});

test("in the first minutes of all nothing is final, and none of before is counted", () => {
  expect(planTurn({ writtenUntil: at(0), finalUntil: at(0), endsAt: at(3) })).toEqual({
    latest: { from: at(2), to: at(3) },
    final: undefined,
    finalUntil: at(0),
    isBehind: false,
  });
});

test("after an absence the minutes of it are counted part by part, the latest at once", () => {
  const first = planTurn({ writtenUntil: at(0), finalUntil: at(-5), endsAt: at(60) });
  expect(first).toMatchObject({ latest: { from: at(59), to: at(60) }, isBehind: true });
  expect(first.final).toEqual({ from: at(-5), to: at(10) });
  const second = planTurn({ writtenUntil: at(60), finalUntil: first.finalUntil, endsAt: at(60) });
  expect(second).toMatchObject({ latest: undefined, final: { from: at(10), to: at(25) } });
});

test("of an absence of months a week is counted", () => {
  const { final } = planTurn({ writtenUntil: at(-200_000), finalUntil: at(-200_000), endsAt: at(0) });
  expect(final).toEqual({ from: at(-10_080), to: at(-10_065) });
});

test("a clock that was set back stops no figures", () => {
  expect(planTurn({ writtenUntil: at(500), finalUntil: at(495), endsAt: at(30) })).toEqual({
    latest: { from: at(29), to: at(30) },
    final: undefined,
    finalUntil: at(25),
    isBehind: false,
  });
});
