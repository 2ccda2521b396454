import { readFile } from "node:fs/promises";
import { Registry } from "prom-client";
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { openDatabase } from "../../database/pool.ts";
import { probes } from "../../http/request-log.ts";
import { silentLog } from "../../log.ts";
import { createBoss } from "../../queue/boss.ts";
import { createApiApp } from "../../api/api-app.ts";
import { countGateSteps } from "../../worker/gate-metrics.ts";
import { countAlertPosts } from "./alert-metrics.ts";
import { showRate, watchDelivery } from "./delivery-metrics.ts";
import { countFailedJobs } from "./job-metrics.ts";
import { countLostLines } from "./log-metrics.ts";
import { createProcessRegistry } from "./registry.ts";
import { timedTransport } from "./stripe-metrics.ts";

const docs = new URL("../../../docs/", import.meta.url);
const alerts = await readFile(new URL("alerts.yaml", docs), "utf8");
const dashboard = await readFile(new URL("dashboard.json", docs), "utf8");
const manual = await readFile(new URL("metrics.md", docs), "utf8");

const alertNames = [...alerts.matchAll(/^\s*- alert: (\w+)$/gm)].map(([, name]) => name ?? "");

test.each([
  ["alerts.yaml", alerts],
  ["dashboard.json", dashboard],
  ["metrics.md", manual],
])("every metric that %s names exists", (_, text) => {
  const { names, histograms } = registered();
  const known = new Set([
    ...names,
    ...histograms.flatMap((name) => [`${name}_bucket`, `${name}_sum`, `${name}_count`]),
  ]);
  const named = namedIn(text);
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((name) => !known.has(name))).toEqual([]);
});

test("every metric of the service's own is in the manual", () => {
  const own = registered().names.filter((name) => !/^meter_outbox_(process|nodejs)_/.test(name));
  const named = new Set(namedIn(manual));
  expect(own.filter((name) => !named.has(name))).toEqual([]);
});

test("every metric has a name of the service's own, and a sentence", () => {
  const metrics = createRegistry().getMetricsAsArray();
  expect(metrics.filter(({ name, help }) => !name.startsWith("meter_outbox_") || help === "")).toEqual([]);
});

test("every alert says in the manual what it means and what to do", () => {
  const headings = [...manual.matchAll(/^### (MeterOutbox\w+)$/gm)].map(([, name]) => name);
  expect(alertNames.length).toBeGreaterThan(10);
  expect(headings).toEqual(alertNames);
  const runbooks = [...alerts.matchAll(/runbook: docs\/metrics\.md#(\w+)/g)].map(([, anchor]) => anchor);
  expect(runbooks).toEqual(alertNames.map((name) => name.toLowerCase()));
});

test("what asks by itself all the time does not hide that the API refuses its callers", () => {
  const rule = alerts.slice(alerts.indexOf("alert: MeterOutboxApiFailing"));
  const left = [...rule.slice(0, rule.indexOf("for:")).matchAll(/route!~"([^"]+)"/g)].map(([, one]) => one);
  expect(left).toHaveLength(2);
  for (const pattern of left) {
    const isLeftOut = (route: string) => new RegExp(`^(?:${pattern})$`, "v").test(route);
    expect([...probes, "/console", "/console/delivery"].filter((route) => !isLeftOut(route))).toEqual([]);
    expect(["/v1/readings", "/webhooks/stripe", "none"].filter(isLeftOut)).toEqual([]);
  }
});

test("every panel of the dashboard lies beside the others, and asks something", () => {
  const panel = z.object({
    id: z.int(),
    type: z.string(),
    gridPos: z.object({ x: z.int(), y: z.int(), w: z.int(), h: z.int() }),
    targets: z.array(z.object({ expr: z.string().min(1) })).optional(),
  });
  const { panels } = z.object({ panels: z.array(panel) }).parse(JSON.parse(dashboard));
  const asking = panels.filter(({ type }) => type !== "row");
  expect(asking.filter(({ targets = [] }) => targets.length === 0)).toEqual([]);
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  expect(new Set(panels.map(({ gridPos: { x, y } }) => `${x} ${y}`)).size).toBe(panels.length);
  expect(panels.filter(({ gridPos: { x, w } }) => x + w > 24)).toEqual([]);
});

function registered(): { names: string[]; histograms: string[] } {
  const text = createRegistry().getMetricsAsArray();
  return {
    names: text.map(({ name }) => name),
    histograms: text.filter((metric) => "buckets" in metric).map(({ name }) => name),
  };
}

/** All metrics of an API and a worker, as their processes register them. */
function createRegistry(): Registry {
  const api = createProcessRegistry("api");
  const databaseUrl = "postgres://127.0.0.1:1/nowhere";
  const way = { connectionString: databaseUrl, applicationName: "catalogue", connectionsMax: 1 };
  const { db, pool, close } = openDatabase(way, silentLog);
  onTestFinished(close);
  createApiApp({
    db,
    pool,
    boss: createBoss({ databaseUrl, role: "api", connectionsMax: 1 }, silentLog),
    log: silentLog,
    adminToken: "operator-token-of-the-tests-0123456789",
    readingsMaxAgeDays: 365,
    webhookSecrets: ["whsec_test"],
    registry: api,
  });
  const worker = new Registry();
  watchDelivery(worker);
  countFailedJobs(worker);
  countGateSteps(worker);
  countAlertPosts(worker);
  countLostLines(worker);
  showRate(worker, { bucket: { rate: () => 1, isClosed: () => false }, perSecondMax: 1 });
  const unasked = () => Promise.reject(new Error("nothing is sent here"));
  timedTransport(worker, { eventsPerRequestMax: 1, send: unasked });
  return Registry.merge([api, worker]);
}

/** Names of metrics in a text; those that end in an underscore stand for a family. */
function namedIn(text: string): string[] {
  const names = [...text.matchAll(/(?<![.\w])meter_outbox_\w*[a-z]/g)].map(([name]) => name);
  return [...new Set(names)].filter(
    (name) => name !== "meter_outbox_process" && name !== "meter_outbox_nodejs",
  );
}
