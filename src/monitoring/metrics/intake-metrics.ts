import { Counter, type Registry } from "prom-client";
import type { IntakeResult } from "../../intake/result-runs.ts";

/** Counts readings by their result: `accepted`, `duplicate`, or the code of their rejection. */
export function countReadings(registry: Registry): (result: IntakeResult) => void {
  const readings = new Counter({
    name: "meter_outbox_readings_total",
    help: "Readings answered, by result: accepted, duplicate, or the code of the rejection",
    labelNames: ["result"],
    registers: [registry],
  });
  return ({ accepted, runs }) => {
    readings.inc({ result: "accepted" }, accepted);
    for (const { result, count } of runs) readings.inc({ result: result.code }, count);
  };
}
