import { setTimeout as wait } from "node:timers/promises";
import type { Log } from "../log.ts";
import { isDatabaseUnavailable } from "./database-unavailable.ts";

const againAfterMs = 500;

/**
 * Tries again, in the background, what the database has just refused, until it succeeds. The caller has logged the first
 * error; an error that does not pass by itself is logged here and ends the trying. It holds up no shutdown, so use it
 * only for what another process finds out by itself in the end, such as a lease that ends.
 */
export function keepTrying({ log }: { log: Log }, what: string, work: () => Promise<unknown>): void {
  const again = async () => {
    for (;;) {
      await wait(againAfterMs, undefined, { ref: false });
      try {
        await work();
        return;
      } catch (error) {
        if (isDatabaseUnavailable(error)) continue;
        log.error({ event: "gave_up", what, error });
        return;
      }
    }
  };
  void again();
}
