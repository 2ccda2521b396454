import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { documentSchema, type Operation, operationsOf } from "../../../src/testing/openapi/document.ts";
import { childEnvironment } from "../../process/child-environment.ts";
import type { Comparison } from "../comparison.ts";
import { addUpStored } from "../load/add-up.ts";
import { type Question, questionsFor } from "../load/route-questions.ts";
import { findSubjects } from "../load/route-subjects.ts";
import { addYearOfUsage, type YearOfUsage } from "../load/year-of-usage.ts";
import { startServerProcess } from "../site/server-process.ts";
import { seededDatabase } from "../site/seeded-database.ts";
import { checkpoint, type Site } from "../site/site.ts";
import { quantileOf } from "../statistics.ts";
import { startApi } from "./our-servers.ts";

const bench = "year";
const asksEach = 40;
/** V8 compiles a route during its first answers; a service is asked every day. */
const warmUps = 10;
const routeMsMax = 100;
const msEachMax = 10_000;
const doctorMsMax = 1_000;
const doctorRuns = 5;
/** They wait for a worker's answer from Stripe, by what they are. */
const waiting = new Set(["reconcile"]);
const target = { ratio: "at most" as const, value: 1 };
const peer = "the limit";

/**
 * Every route of the API, and `doctor`, on a year of usage: a million meter events and 12 million readings. Each question is
 * asked alone, again and again; the figure is the 95th percentile of the slowest one.
 */
export async function benchYear(site: Site): Promise<Comparison[]> {
  const { url, seed } = await seededDatabase(site, "year", (empty) => addYearOfUsage(site, empty));
  return measureYear(site, url, seed);
}

type Asked = { question: Question; ms: number[] };

/** The measurements, on a database that has its year. */
async function measureYear(site: Site, url: string, year: YearOfUsage): Promise<Comparison[]> {
  await addUpStored(url);
  await checkpoint(url);
  const api = await startApi(site, url);
  const subjects = await findSubjects({ ...api, databaseUrl: url }, year);
  const operations = await readOperations(api.url);
  const doctor = await compareDoctor(site, url);
  const asked: Asked[] = [];
  // What changes nothing comes first: the questions are then about the year as it was.
  for (const operation of operations.toSorted(readsFirst)) {
    if (waiting.has(operation.operationId)) continue;
    const ofRoute: Asked[] = [];
    for (const question of questionsFor(operation, subjects)) {
      ofRoute.push({ question, ms: await askAgain(site, api.url, question) });
    }
    report(ofRoute);
    asked.push(...ofRoute);
  }
  return [...compareRoutes(asked), doctor];
}

async function readOperations(url: string): Promise<Operation[]> {
  const answer = await fetch(`${url}/openapi.json`);
  return operationsOf(documentSchema.parse(await answer.json()));
}

function readsFirst(one: Operation, other: Operation): number {
  const rank = ({ method }: Operation) => (method === "GET" ? 0 : method === "DELETE" ? 2 : 1);
  return rank(one) - rank(other);
}

async function askAgain(site: Site, url: string, { ask, route, what }: Question): Promise<number[]> {
  const ms: number[] = [];
  const begunAtMs = performance.now();
  for (let turn = 0; turn < warmUps + asksEach; turn += 1) {
    site.signal.throwIfAborted();
    const { path, init } = ask(turn);
    const startedAtMs = performance.now();
    const answer = await fetch(url + path, init);
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${route} ${what} was answered ${answer.status}: ${text.slice(0, 300)}`);
    if (turn >= warmUps) ms.push(performance.now() - startedAtMs);
    // What is this slow needs no more figures.
    if (ms.length > 0 && performance.now() - begunAtMs > msEachMax) break;
  }
  return ms;
}

const p95 = ({ ms }: Asked) => quantileOf(ms, 0.95);
const slowestOf = (asked: readonly Asked[]) => asked.toSorted((one, other) => p95(other) - p95(one))[0];

/** Told at once, so that a run that is ended early has told something. */
function report(asked: readonly Asked[]): void {
  const slowest = slowestOf(asked);
  if (slowest === undefined) return;
  const { route, what } = slowest.question;
  console.error(`${route}: ${p95(slowest).toFixed(1)} ms ${what}`);
}

/** Usage of the year by each granularity, and every route by its slowest question, the slowest route first. */
function compareRoutes(asked: readonly Asked[]): Comparison[] {
  const compare = (what: string, slowest: Asked | undefined): Comparison => {
    if (slowest === undefined) throw new Error(`${what}: nothing was asked`);
    return { bench, what, unit: "ms", ours: [p95(slowest)], peer, theirs: [routeMsMax], target };
  };
  const usage = ["hour", "day", "month"].map((granularity) => {
    const ofRoute = asked.filter(({ question }) => question.route === "GET /v1/usage");
    const its = ofRoute.filter(({ question }) => question.what.includes(`granularity=${granularity}`));
    return compare(
      `p95 of GET /v1/usage of a year by ${granularity}, of the largest organization`,
      slowestOf(its),
    );
  });
  const byRoute = Map.groupBy(asked, ({ question }) => question.route);
  const routes = [...byRoute].map(([route, its]) => ({ route, slowest: slowestOf(its) }));
  const sorted = routes.toSorted(
    (one, other) => (other.slowest ? p95(other.slowest) : 0) - (one.slowest ? p95(one.slowest) : 0),
  );
  return [...usage, ...sorted.map(({ route, slowest }) => compare(`p95 of ${route}`, slowest))];
}

/** With the command's start; Stripe's stand-in is the simulator, which answers at once. */
async function compareDoctor(site: Site, url: string): Promise<Comparison> {
  const stripe = await startServerProcess(site, {
    script: "dist/simulator.js",
    env: (port) => ({ PORT: String(port), HOST: "127.0.0.1" }),
  });
  const script = fileURLToPath(new URL("../../../dist/cli.js", import.meta.url));
  const env = childEnvironment(process.env, {
    DATABASE_URL: url,
    STRIPE_SECRET_KEY: "sk_test_bench",
    STRIPE_API_BASE: stripe.url,
  });
  const ours: number[] = [];
  for (let run = 0; run < doctorRuns; run += 1) {
    const startedAtMs = performance.now();
    // It finds problems here, such as a worker that does not run, and so ends with 1.
    await promisify(execFile)(process.execPath, [script, "doctor"], { env }).catch((error: unknown) => {
      if (!(error instanceof Error && "code" in error && error.code === 1)) throw error;
    });
    ours.push(performance.now() - startedAtMs);
  }
  console.error(`doctor: ${ours.map((ms) => ms.toFixed(0)).join(", ")} ms`);
  return { bench, what: "doctor", unit: "ms", ours, peer, theirs: [doctorMsMax], target };
}
