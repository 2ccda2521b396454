import { expect, test } from "vitest";
import { type FigureRow, figurePoints } from "./figure-points.ts";

const from = new Date("2026-11-22T12:00:00Z");
const row = (change: Partial<FigureRow>): FigureRow => ({
  at: from,
  meter: "temperature_readings",
  minutes: 10,
  quantity: 0,
  delivered: 0,
  rejected: 0,
  retried: 0,
  unanswered: 0,
  latencies: {},
  unsealedSeconds: 0,
  pendingSeconds: 0,
  ...change,
});

test("a step that was not counted is a gap, and one without usage is 0", () => {
  const steps = { from, stepSeconds: 600, steps: 2 };
  const [counted, missed] = figurePoints([row({})], steps);
  expect(counted).toEqual({
    at: from,
    intakePerSecond: { temperature_readings: 0 },
    perMinute: { delivered: 0, rejected: 0, retried: 0, unanswered: 0 },
    sealLagSeconds: 0,
    backlogSeconds: 0,
    latency: null,
  });
  expect(missed).toEqual({
    at: new Date("2026-11-22T12:10:00Z"),
    intakePerSecond: {},
    perMinute: null,
    sealLagSeconds: null,
    backlogSeconds: null,
    latency: null,
  });
});

test("rates are of the minutes that were counted; of both meters verdicts are added and the older age counts", () => {
  const rows = [
    row({
      minutes: 2,
      quantity: 1_200,
      delivered: 30,
      retried: 4,
      unsealedSeconds: 5,
      latencies: { "1": 9 },
    }),
    row({
      meter: "active_sensors",
      minutes: 2,
      quantity: 60,
      delivered: 10,
      unsealedSeconds: 70,
      pendingSeconds: null,
    }),
  ];
  expect(figurePoints(rows, { from, stepSeconds: 600, steps: 1 })).toMatchObject([
    {
      intakePerSecond: { temperature_readings: 10, active_sensors: 0.5 },
      perMinute: { delivered: 20, rejected: 0, retried: 2, unanswered: 0 },
      sealLagSeconds: 70,
      backlogSeconds: 0,
    },
  ]);
});
