import { createRoute, z } from "@hono/zod-openapi";
import type { Registry } from "prom-client";
import type { Db } from "../../database/db.ts";
import type { App } from "../../http/app-env.ts";
import type { Log } from "../../log.ts";
import { countFailedReads, showMeasurements } from "./database-gauges.ts";
import { createMeasurer, type MeasurerLimits } from "./measurer.ts";
import { type Pools, showPools } from "./pool-metrics.ts";

const metricsRoute = createRoute({
  method: "get",
  path: "/metrics",
  operationId: "getMetrics",
  summary: "Metrics of this process and of what waits in the database, for Prometheus",
  tags: ["Operation"],
  responses: {
    200: {
      description: "Prometheus text format",
      content: { "text/plain": { schema: z.string() } },
    },
  },
});

export type MetricsDeps = {
  registry: Registry;
  db: Db;
  pools: Pools;
  log: Log;
  billableStatuses: readonly string[];
};

/** Adds `/metrics`, and to the registry the metrics of the pools and of the database. Answers without a database too. */
export function mountMetrics(
  app: App,
  { registry, db, pools, log, billableStatuses }: MetricsDeps,
  limits?: Partial<MeasurerLimits>,
): void {
  showPools(registry, pools);
  const show = showMeasurements(registry);
  const countFailedRead = countFailedReads(registry);
  const measure = createMeasurer(
    {
      db,
      billableStatuses,
      onFailedRead: ({ read, error }) => {
        countFailedRead(read);
        log.warn({ event: "metrics_read_failed", read, error });
      },
    },
    limits,
  );
  app.openapi(metricsRoute, async (c) => {
    show(await measure());
    return c.text(await registry.metrics(), 200, { "content-type": registry.contentType });
  });
}
