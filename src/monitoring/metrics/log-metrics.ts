import { Counter, type Registry } from "prom-client";

/** Counts lines of the log that stdout did not take. */
export function countLostLines(registry: Registry): (lines: number) => void {
  const lost = new Counter({
    name: "meter_outbox_log_lines_lost_total",
    help: "Lines of the log that were lost because stdout took none for long, as on a full disk",
    registers: [registry],
  });
  return (lines) => lost.inc(lines);
}
