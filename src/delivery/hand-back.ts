import type { Job } from "pg-boss";
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

/** Ends jobs that are not ours: they must not hold up the others, and the sweep reminds of every event anyway. */
export async function endUnreadable(
  deps: Pick<TakeDeps, "boss" | "log" | "watch">,
  meter: MeterName,
  { queue, jobs }: { queue: string; jobs: readonly Job[] },
): Promise<void> {
  if (jobs.length === 0) return;
  deps.log.error({ event: "deliver_jobs_unreadable", job_ids: jobs.map(({ id }) => id) });
  await handBack(deps, { meter, count: jobs.length }, () => deps.boss.complete(queue, [...jobs]));
}
