import type { Log } from "../log.ts";

/** How long closing connections may take after the grace. */
const closeWithinMs = 5_000;

/**
 * Ends the process five seconds after its grace, if it has not ended by itself: a frozen database keeps its connections
 * from closing, and the sender of the signal would kill the process later anyway.
 */
export function endAfterGrace(graceMs: number, log: Log): void {
  setTimeout(() => {
    log.warn({ event: "shutdown_cut", grace_seconds: graceMs / 1_000 });
    process.exit(0);
  }, graceMs + closeWithinMs).unref();
}
