import { Counter, type Registry } from "prom-client";
import {
  partitionsQueue,
  purgeQueue,
  readCustomerQueue,
  reconcileQueue,
  reconcileRequestQueue,
  retentionQueue,
  sealQueue,
  sensorsQueue,
  stripeEventsQueue,
} from "../../queue/queues.ts";

/** The repeated work of a worker: pg-boss's queues that have a handler, and loops of its own. */
const works = [
  ...[
    sealQueue,
    partitionsQueue,
    retentionQueue,
    stripeEventsQueue,
    readCustomerQueue,
    sensorsQueue,
    purgeQueue,
    reconcileQueue,
    reconcileRequestQueue,
  ].map(({ name }) => name),
  "sweep",
  "sensor-changes",
  "expiry-check",
  "invoice-check",
  "retention-check",
  "figures",
  "delivery",
];

/** Counts jobs that failed, by queue. All begin at zero, so that the first failure of a daily job is an increase. */
export function countFailedJobs(registry: Registry): (queue: string) => void {
  const failures = new Counter({
    name: "meter_outbox_job_failures_total",
    help: "Jobs whose handler failed or was taken too long over, by queue; sweep, sensor-changes, expiry-check, invoice-check, retention-check, figures and delivery are loops beside them",
    labelNames: ["queue"],
    registers: [registry],
  });
  for (const queue of works) failures.inc({ queue }, 0);
  return (queue) => failures.inc({ queue });
}
