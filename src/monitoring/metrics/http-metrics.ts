import { Counter, Histogram, type Registry } from "prom-client";
import type { AnsweredRequest } from "../../http/request-log.ts";

const secondsBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Counts and times requests. Routes are patterns, so callers cannot add series by asking for other paths. */
export function countRequests(registry: Registry): (request: AnsweredRequest) => void {
  const requests = new Counter({
    name: "meter_outbox_http_requests_total",
    help: "Requests answered, by route pattern and status",
    labelNames: ["method", "route", "status"],
    registers: [registry],
  });
  const durations = new Histogram({
    name: "meter_outbox_http_request_duration_seconds",
    help: "Time from the request's headers to its answer's",
    labelNames: ["method", "route"],
    buckets: secondsBuckets,
    registers: [registry],
  });
  return ({ method, route, status, durationMs }) => {
    const labels = route === undefined ? { method: "any", route: "none" } : { method, route };
    requests.inc({ ...labels, status: String(status) });
    durations.observe(labels, durationMs / 1_000);
  };
}
