import { expect, test } from "vitest";
import { isMeterName, meterEventNames, meterNames, meters, metersFoldedBy } from "./meters.ts";

test("readings are added up, and of sensor counts the latest holds", () => {
  expect(metersFoldedBy("sum")).toEqual(["temperature_readings"]);
  expect(metersFoldedBy("last")).toEqual(["active_sensors"]);
});

test("every meter is folded in one way", () => {
  const folded = [...metersFoldedBy("sum"), ...metersFoldedBy("last")];
  expect(folded.toSorted()).toEqual(meterNames.toSorted());
});

test("Stripe's name of each meter is the one configured for it", () => {
  const names = meterEventNames({ METER_READINGS_EVENT_NAME: "r", METER_SENSORS_EVENT_NAME: "s" });
  expect(names).toEqual({ temperature_readings: "r", active_sensors: "s" });
});

test("no two meters share the variable that names them at Stripe", () => {
  const variables = Object.values(meters).map((meter) => meter.eventNameVariable);
  expect(new Set(variables).size).toBe(meterNames.length);
});

test("only the registry's own names are meters", () => {
  expect(meterNames.every(isMeterName)).toBe(true);
  for (const word of ["", "temperature", "toString", "__proto__"]) expect(isMeterName(word)).toBe(false);
});
