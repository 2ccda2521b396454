import type { Log } from "../log.ts";
import type { StopSignals } from "./stop-signals.ts";

/** How long closing connections may take after the grace. */
const closeWithinMs = 5_000;

/**
 * Ends the process five seconds after its grace, if it has not ended by itself: a frozen database keeps its connections
 * from closing, and the sender of the signal would kill the process later anyway.
 */
export function endAfterGrace(stop: StopSignals, graceMs: number, log: Log): void {
  stop.endAfter(graceMs + closeWithinMs, () =>
    log.warn({ event: "shutdown_cut", grace_seconds: graceMs / 1_000 }),
  );
}
