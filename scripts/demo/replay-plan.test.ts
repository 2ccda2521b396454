import { expect, test } from "vitest";
import { demoOrganizations, planReplay } from "./replay-plan.ts";

const hourMs = 3_600_000;
const temperatures = Array.from({ length: 8_759 }, (_, hour) => ({
  recordedAt: new Date(hour * hourMs),
  celsius: 4,
}));
const gateways = demoOrganizations[0]?.gateways ?? [];
const plan = planReplay(temperatures, gateways);

test("every temperature is posted once, and sent again only on purpose", () => {
  const times = plan.flat().flatMap(({ readings }) => readings.map((reading) => reading.recorded_at));
  expect(times).toHaveLength(temperatures.length);
  expect(new Set(times).size).toBe(temperatures.length);
});

test("a gateway posts for its own sensors, and for all of them", () => {
  const sensors = plan.map(
    (batches) => new Set(batches.flatMap(({ readings }) => readings.map((r) => r.sensor_id))),
  );
  expect(sensors).toEqual(gateways.map(({ sensorIds }) => new Set(sensorIds)));
});

test("each gateway sends a tenth of its batches again, some before and some after the answer", () => {
  for (const batches of plan) {
    const resends = batches.map(({ resend }) => resend).filter((resend) => resend !== "never");
    expect(resends).toHaveLength(Math.round(batches.length / 10));
    expect(new Set(resends)).toEqual(new Set(["after_answer", "at_once"]));
  }
});
