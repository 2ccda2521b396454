import type { Registry } from "prom-client";
import type { Db } from "../../database/db.ts";
import type { Log } from "../../log.ts";
import { type Repeating, repeat } from "../../process/wait.ts";
import type { Asked } from "../metrics/asked.ts";
import { countAlertPosts } from "../metrics/alert-metrics.ts";
import { countFailedReads } from "../metrics/database-gauges.ts";
import { createMeasurer } from "../metrics/measurer.ts";
import { claimLook, noteConditions } from "./note-conditions.ts";
import { sendAlertTo } from "./send-alert.ts";
import { tellAlerts } from "./tell-alerts.ts";

const usualEveryMs = 30_000;
/** Far longer than all reads may take together: half a measurement would end alerts whose condition is still true. */
const measuredWithinMs = 120_000;
/** Of `everyMs`: processes that look at about the same time take turns. */
const claimedForShare = 0.8;

export type AlertWatchDeps = Asked & { db: Db; log: Log; registry: Registry };

/**
 * Looks at the conditions of docs/alerts.yaml every half minute, in the process that is first, and posts the beginning
 * and the end of each alert to the URL, at least once.
 */
export function watchAlerts(
  { db, log, registry, billableStatuses }: AlertWatchDeps,
  { url, everyMs = usualEveryMs }: { url: string; everyMs?: number },
): Repeating {
  let isWhole = true;
  const countFailedRead = countFailedReads(registry);
  const measure = createMeasurer(
    {
      db,
      billableStatuses,
      onFailedRead: ({ read, error }) => {
        isWhole = false;
        countFailedRead(read);
        log.warn({ event: "alert_read_failed", read, error });
      },
    },
    { reusedMs: 0, deadlineMs: measuredWithinMs },
  );
  const deps = { db, log, send: sendAlertTo(url), onPost: countAlertPosts(registry) };
  const stopping = new AbortController();
  const watching = repeat(
    async () => {
      if (await claimLook(db, everyMs * claimedForShare)) {
        isWhole = true;
        const measurement = await measure();
        // A cluster whose node is away tells of what lies elsewhere.
        if (measurement.isUp || measurement.samples.length > 0)
          await noteConditions(deps, measurement, { now: new Date(), isWhole });
      }
      await tellAlerts(deps, stopping.signal);
    },
    {
      everyMs,
      onError: (error) => {
        countFailedRead("alerts");
        log.error({ event: "alert_watch_failed", error });
      },
    },
  );
  return {
    stop: () => {
      stopping.abort();
      return watching.stop();
    },
  };
}
