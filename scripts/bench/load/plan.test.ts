import { expect, test } from "vitest";
import { planLoad } from "./fleet.ts";
import { plannedRequest } from "./plan.ts";

const senders = ["a", "b", "c"].map((name) => ({ organizationId: name, key: name }));

test("no reading of a fleet is planned twice, in one plan or in two", () => {
  const fleet = { url: "", senders, sensors: 4, beginsAtMs: 1_000, nextReading: 0 };
  const keys: string[] = [];
  for (const requests of [5, 7]) {
    const plan = planLoad(fleet, { requests, readingsPerRequest: 3 });
    for (let index = 0; index < requests; index += 1) {
      const { sender, readings } = plannedRequest(plan, index);
      for (const { sensorId, recordedAtMs } of readings)
        keys.push(`${sender.key} ${sensorId} ${recordedAtMs}`);
    }
  }
  expect(keys).toHaveLength(36);
  expect(new Set(keys).size).toBe(36);
});

test("the readings of the next plan begin at a moment of their own", () => {
  const fleet = { url: "", senders, sensors: 4, beginsAtMs: 1_000, nextReading: 0 };
  planLoad(fleet, { requests: 1, readingsPerRequest: 5 });
  const next = planLoad(fleet, { requests: 1, readingsPerRequest: 1 });
  expect(plannedRequest(next, 0).readings).toEqual([
    { sensorId: "freezer-0", recordedAtMs: 1_002, temperature: expect.any(Number) },
  ]);
});
