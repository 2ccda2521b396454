import { readFile } from "node:fs/promises";
import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { countFailedJobs } from "./job-metrics.ts";

const alerts = await readFile(new URL("../../../docs/alerts.yaml", import.meta.url), "utf8");
const rule = /- alert: MeterOutboxJobsFailing\n +expr: >-\n((?: {10}.*\n)+)/.exec(alerts)?.[1] ?? "";

/** Seconds between the first two failures of what fails each time, and between later ones: each pause is twice the one before. */
const pauses: Record<string, { first: number; longest: number }> = {
  "seal-entries": { first: 30, longest: 30 },
  "ensure-partitions": { first: 120, longest: 1_920 },
  "drop-partitions": { first: 1_200, longest: 19_200 },
  "apply-stripe-event": { first: 10, longest: 900 },
  "read-customer": { first: 4, longest: 300 },
  "count-sensors": { first: 30, longest: 300 },
  "purge-stripe-events": { first: 120, longest: 1_920 },
  reconcile: { first: 60, longest: 60 },
  "answer-reconcile-request": { first: 4, longest: 60 },
  sweep: { first: 5, longest: 5 },
  "sensor-changes": { first: 10, longest: 10 },
  "expiry-check": { first: 600, longest: 600 },
  "invoice-check": { first: 600, longest: 600 },
  "retention-check": { first: 600, longest: 600 },
  figures: { first: 5, longest: 5 },
  delivery: { first: 1, longest: 1 },
};

test("MeterOutboxJobsFailing can fire for each work whose failures are counted", async () => {
  const registry = new Registry();
  countFailedJobs(registry);
  const { values } = (await registry.getSingleMetric("meter_outbox_job_failures_total")?.get()) ?? {
    values: [],
  };
  expect(values.map(({ labels }) => String(labels["queue"])).toSorted()).toEqual(
    Object.keys(pauses).toSorted(),
  );
  const clauses = readClauses();
  const isHeard = (queue: string) =>
    clauses.some(
      ({ isOf, windowSeconds, above }) => isOf(queue) && countFailures(queue, windowSeconds) > above,
    );
  expect(Object.keys(pauses).filter((queue) => !isHeard(queue))).toEqual([]);
});

function countFailures(queue: string, windowSeconds: number): number {
  const { first, longest } = pauses[queue] ?? { first: Infinity, longest: Infinity };
  let failures = 1;
  let pause = first;
  for (let at = pause; at < windowSeconds; at += pause) {
    failures += 1;
    pause = Math.min(pause * 2, longest);
  }
  return failures;
}

function readClauses() {
  const clauses = [...rule.matchAll(/queue(=~|!~|=)"([^"]+)"\}\[(\d+)([mh])\]\)\) > (\d+)/g)];
  expect(clauses).toHaveLength(rule.split("\n").filter((line) => line.includes("increase")).length);
  return clauses.map(([, operator, pattern = "", amount, unit, above]) => ({
    isOf: (queue: string) => new RegExp(`^(?:${pattern})$`).test(queue) !== (operator === "!~"),
    windowSeconds: Number(amount) * (unit === "h" ? 3_600 : 60),
    above: Number(above),
  }));
}
