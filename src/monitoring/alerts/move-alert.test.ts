import { expect, test } from "vitest";
import type { AlertRule } from "./alert-rule.ts";
import { type Alert, moveAlert, newAlert } from "./move-alert.ts";

const limit: AlertRule = {
  name: "Limit",
  severity: "warning",
  summary: "",
  gauge: "meter_outbox_sensor_count_age_seconds",
  fold: "max",
  when: { above: 5 },
  heldFor: 60,
};
const growth: AlertRule = { ...limit, name: "Growth", when: { growsWithin: 900, keepFiring: 3_600 } };
const at = (seconds: number) => new Date(Date.UTC(2026, 10, 22) + seconds * 1_000);

/** Looks at the values, each at its second. */
function look(rule: AlertRule, looks: readonly [number, number][], from: Alert = newAlert): Alert {
  return looks.reduce((alert, [second, value]) => {
    const isTrue = "above" in rule.when ? value > rule.when.above : undefined;
    return moveAlert(alert, { rule, subject: "", value, isTrue }, at(second));
  }, from);
}

test("a condition that holds for its time begins, and not before", () => {
  expect(
    look(limit, [
      [0, 9],
      [59, 9],
    ]).began_at,
  ).toBeNull();
  expect(
    look(limit, [
      [0, 9],
      [60, 9],
    ]).began_at,
  ).toEqual(at(60));
  expect(
    look(limit, [
      [0, 9],
      [30, 1],
      [60, 9],
    ]).began_at,
  ).toBeNull();
});

test("it ends five minutes after it was last true, so that what flaps is told once", () => {
  const flapping = look(limit, [
    [0, 9],
    [60, 9],
    [90, 1],
    [389, 9],
    [420, 1],
    [719, 1],
  ]);
  expect(flapping).toMatchObject({ began_at: at(60), ended_at: null });
  expect(look(limit, [[720, 1]], flapping).ended_at).toEqual(at(720));
});

test("what begins again is a new alert only when the receiver knows that the one before is over", () => {
  const over = look(limit, [
    [0, 9],
    [60, 9],
    [100, 1],
    [400, 1],
  ]);
  const again: [number, number][] = [
    [500, 9],
    [560, 9],
  ];
  expect(look(limit, again, over)).toMatchObject({ began_at: at(60), ended_at: null });

  const told = { ...over, began_told_at: at(61), ended_told_at: at(401) };
  expect(look(limit, again, told)).toMatchObject({ began_at: at(560), began_told_at: null, ended_at: null });
});

test("growth begins with the first rise that is seen, and goes on for its time after the last", () => {
  expect(
    look(growth, [
      [0, 7],
      [30, 7],
    ]).began_at,
  ).toBeNull();
  const grown = look(growth, [
    [0, 7],
    [30, 8],
    [60, 3],
    [90, 4],
    [3_689, 4],
  ]);
  expect(grown).toMatchObject({ began_at: at(30), ended_at: null });
  expect(look(growth, [[3_690, 4]], grown).ended_at).toEqual(at(3_690));
});
