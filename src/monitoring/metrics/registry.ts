import { collectDefaultMetrics, Registry } from "prom-client";

/**
 * The metrics of one process, which begin with its CPU, memory, garbage collection and event-loop delay. Every series
 * carries `process`, so that the same metric of the API and of a worker can be told apart.
 */
export function createProcessRegistry(process: "api" | "worker"): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ process });
  collectDefaultMetrics({ register: registry, prefix: "meter_outbox_" });
  return registry;
}
