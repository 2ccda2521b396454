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
  // To find a series by its labels costs more than to count in it, and there are few.
  const known = new Map<string, { count: () => void; time: (seconds: number) => void }>();

  function seriesOf({ method, route, status }: Omit<AnsweredRequest, "durationMs">) {
    const labels = route === undefined ? { method: "any", route: "none" } : { method, route };
    const name = `${labels.method} ${labels.route} ${status}`;
    const found = known.get(name);
    if (found !== undefined) return found;
    const counter = requests.labels({ ...labels, status: String(status) });
    const histogram = durations.labels(labels);
    const series = {
      count: () => counter.inc(),
      time: (seconds: number) => histogram.observe(seconds),
    };
    known.set(name, series);
    return series;
  }

  return (request) => {
    const { count, time } = seriesOf(request);
    count();
    time(request.durationMs / 1_000);
  };
}
