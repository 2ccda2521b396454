import { Counter, type Registry } from "prom-client";
import type { IntakeResult } from "../../intake/accept-readings.ts";

/** Counts readings by their result: `accepted`, `duplicate`, or the code of their rejection. */
export function countReadings(registry: Registry): (result: IntakeResult) => void {
  const readings = new Counter({
    name: "meter_outbox_readings_total",
    help: "Readings answered, by result: accepted, duplicate, or the code of the rejection",
    labelNames: ["result"],
    registers: [registry],
  });
  return ({ accepted, results }) => {
    readings.inc({ result: "accepted" }, accepted);
    for (const { code } of results) readings.inc({ result: code });
  };
}
