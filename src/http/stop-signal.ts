import { once } from "node:events";
import type { Log } from "../log.ts";

/** What closing connections may take once the grace is over. */
const closeWithinMs = 5_000;

/** Waits for SIGTERM or SIGINT and returns its name. A second one ends the process at once, with exit code 1. */
export async function untilStopSignal(): Promise<string> {
  const name = await Promise.race([
    once(process, "SIGTERM").then(() => "SIGTERM"),
    once(process, "SIGINT").then(() => "SIGINT"),
  ]);
  process.on("SIGTERM", () => process.exit(1));
  process.on("SIGINT", () => process.exit(1));
  return name;
}

/**
 * Ends the process five seconds after its grace, should it not have ended by itself: a frozen database keeps its
 * connections from closing, and whoever sent the signal kills what takes too long.
 */
export function endAfterGrace(graceMs: number, log: Log): void {
  setTimeout(() => {
    log.warn({ event: "shutdown_cut", grace_seconds: graceMs / 1_000 });
    process.exit(0);
  }, graceMs + closeWithinMs).unref();
}
