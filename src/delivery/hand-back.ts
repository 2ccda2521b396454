import { keepTrying } from "../database/keep-trying.ts";
import type { MeterName } from "../usage/meters.ts";
import type { TakeDeps } from "./take-deps.ts";
import { unwatched } from "./watch.ts";

/**
 * Hands jobs that are not sent back to pg-boss. Where the database refuses that, it is tried again while the loop goes on:
 * kept, these jobs would hold up all events of their customers until their leases end.
 */
export async function handBack(
  { log, watch = unwatched }: Pick<TakeDeps, "log" | "watch">,
  { meter, count }: { meter: MeterName; count: number },
  handOver: () => Promise<unknown>,
): Promise<void> {
  try {
    await handOver();
  } catch (error) {
    watch.onFailed();
    log.error({ event: "release_failed", meter, count, error });
    keepTrying({ log }, `handing back jobs of ${meter}`, handOver);
  }
}
