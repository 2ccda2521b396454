import type { Log } from "../log.ts";

/** What closing connections may take once the grace is over. */
const closeWithinMs = 5_000;

/**
 * Ends the process five seconds after its grace, should it not have ended by itself: a frozen database keeps its
 * connections from closing, and the sender of the signal kills what takes too long.
 */
export function endAfterGrace(graceMs: number, log: Log): void {
  setTimeout(() => {
    log.warn({ event: "shutdown_cut", grace_seconds: graceMs / 1_000 });
    process.exit(0);
  }, graceMs + closeWithinMs).unref();
}
