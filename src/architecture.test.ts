import { readdir, readFile } from "node:fs/promises";
import { expect, test } from "vitest";

/** A source file: its path below `src/`, and its text. */
type SourceFile = { path: string; text: string };
type Import = { from: SourceFile; to: string; isType: boolean };

/** Who may import whom, in production code. A room is a folder, or a file that lies in none by its name. */
const rooms: Record<string, readonly string[]> = {
  "api.ts": ["api-process.ts", "process"],
  "worker.ts": ["process", "worker-process.ts"],
  "migrate.ts": ["migrate-process.ts", "process"],
  "cli.ts": ["cli-process.ts", "process"],
  "simulator.ts": ["process", "simulator-process.ts"],
  "api-process.ts": ["config.ts", "database", "http", "log.ts", "ops", "process", "queue", "tracing"],
  "worker-process.ts": ["config.ts", "database", "http", "log.ts", "ops", "process", "queue", "tracing"],
  "migrate-process.ts": ["config.ts", "database", "log.ts"],
  "cli-process.ts": ["config.ts", "ops"],
  "simulator-process.ts": ["log.ts", "process", "simulator"],
  process: ["log.ts"],
  "config.ts": ["usage"],
  "log.ts": [],
  tracing: ["log.ts"],
  usage: [],
  database: ["log.ts", "queue"],
  queue: ["database", "log.ts", "usage"],
  http: ["database", "log.ts", "tracing"],
  intake: ["database", "http", "log.ts", "queue", "tracing", "usage"],
  outbox: ["database", "log.ts", "queue", "tracing", "usage"],
  stripe: ["log.ts", "tracing"],
  delivery: ["database", "log.ts", "queue", "stripe", "tracing", "usage"],
  billing: [
    "database",
    "delivery",
    "http",
    "intake",
    "log.ts",
    "outbox",
    "queue",
    "stripe",
    "tracing",
    "usage",
  ],
  reconciliation: ["database", "delivery", "log.ts", "queue", "stripe", "usage"],
  ops: [
    "billing",
    "config.ts",
    "database",
    "delivery",
    "http",
    "intake",
    "log.ts",
    "outbox",
    "queue",
    "reconciliation",
    "stripe",
    "tracing",
    "usage",
  ],
  simulator: [],
  testing: [],
};

/** Packages that are at home in some rooms only. Their types may be imported anywhere. */
const packageHomes: Record<string, readonly string[]> = {
  "@hono/node-server": ["http", "simulator"],
  "@opentelemetry/api": ["tracing"],
  "@opentelemetry/core": ["tracing"],
  "@opentelemetry/exporter-trace-otlp-proto": ["tracing"],
  "@opentelemetry/resources": ["tracing"],
  "@opentelemetry/sdk-trace": ["tracing"],
  "pg-boss": ["queue"],
  pg: ["database", "intake"],
  pino: ["log.ts"],
  "prom-client": ["ops"],
  stripe: ["stripe"],
};

/** What only some files may do, by what it looks like in the text. */
const reserved: { what: string; pattern: RegExp; allowed: RegExp }[] = [
  {
    what: "touches meter_outbox",
    pattern: /metering\.meter_outbox\b|(?:From|Into|Table|Join)\(\s*"meter_outbox/,
    allowed: /^outbox\/|^intake\/(store-readings|count-sensors)\.ts$|^database\/needed-rights\.ts$/,
  },
  {
    what: "writes meter_events",
    pattern:
      /(?:insert\s+into|update|delete\s+from|merge\s+into|truncate)\s+(?:only\s+)?metering\.meter_events\b|(?:insertInto|updateTable|deleteFrom|mergeInto)\(\s*"meter_events/i,
    allowed: /^delivery\/|^outbox\/seal-slices\.ts$/,
  },
  {
    what: "works a queue without telling of its failures, as workQueue does",
    pattern: /\bboss\s*\.\s*work\(/,
    allowed: /^queue\/work-queue\.ts$/,
  },
  {
    what: "reads the environment",
    pattern: /process\s*\.\s*env\b|\benv\b[^;]*from "node:process"/,
    allowed: /^config\.ts$|^simulator-process\.ts$/,
  },
];

const linesMax = { production: 250, test: 400 };
const generated = "database/schema.ts";

test("every file keeps to its room", async () => {
  const root = new URL(".", import.meta.url);
  const paths = (await readdir(root, { recursive: true })).filter((path) => path.endsWith(".ts"));
  const files = paths.map(async (path) => ({ path, text: await readFile(new URL(path, root), "utf8") }));
  expect(findStrays(await Promise.all(files))).toEqual([]);
});

test.each([
  ["usage/a.ts", 'import { sql } from "kysely";', "imports kysely, and usage needs nothing but zod"],
  ["usage/a.ts", 'import type { Log } from "../log.ts";', "imports log.ts, which usage may not"],
  ["intake/a.ts", 'import {\n  seal,\n} from "../outbox/seal.ts";', "imports outbox, which intake may not"],
  ["intake/a.ts", 'export { seal } from "../outbox/seal.ts";', "imports outbox, which intake may not"],
  ["intake/a.ts", 'await import("../outbox/seal.ts");', "imports outbox, which intake may not"],
  ["intake/a.ts", 'import "../outbox/seal.ts";', "imports outbox, which intake may not"],
  ["ops/a.ts", 'import { x } from "../testing/x.ts";', "imports testing, which ops may not"],
  ["ops/a.ts", 'import { x } from "../simulator/x.ts";', "imports simulator, which ops may not"],
  ["simulator/v1/a.ts", 'import { x } from "../../log.ts";', "imports log.ts, which simulator may not"],
  ["simulator/a.test.ts", 'import { x } from "../stripe/x.ts";', "imports stripe, which simulator may not"],
  ["delivery/a.ts", 'import Stripe from "stripe";', "imports the package stripe, which is at home in stripe"],
  ["ops/a.ts", 'import { A } from "pg-boss/x";', "imports the package pg-boss, which is at home in queue"],
  ["lost/a.ts", "", "is in lost, a room that is not in the table"],
  ["ops/a.ts", "sql`select from metering.meter_outbox`", "touches meter_outbox"],
  ["ops/a.ts", 'db.selectFrom("meter_outbox as e")', "touches meter_outbox"],
  ["ops/a.ts", "sql`update metering.meter_events set`", "writes meter_events"],
  ["ops/a.ts", 'db.insertInto("meter_events")', "writes meter_events"],
  ["ops/a.ts", "process.env.HOME", "reads the environment"],
  [
    "ops/a.ts",
    "deps.boss.work(name, handle)",
    "works a queue without telling of its failures, as workQueue does",
  ],
])("%s is a stray with %j", (path, text, fault) => {
  expect(findStrays([{ path, text }])).toEqual([`${path} ${fault}`]);
});

test.each([
  ["usage/a.ts", 'import { z } from "zod";'],
  ["usage/a.test.ts", 'import { sql } from "kysely"; import { silentLog } from "../log.ts";'],
  ["testing/a.ts", 'import { x } from "../simulator/x.ts";'],
  ["stripe/a.ts", 'import Stripe from "stripe";'],
  ["delivery/a.ts", 'import type { PgBoss } from "pg-boss";'],
  ["ops/a.ts", "sql`select from metering.meter_outbox_default`"],
  ["ops/a.ts", "sql`select from metering.meter_events`"],
  ["ops/a.ts", "// process.env is read in config.ts only"],
])("%s is no stray with %j", (path, text) => {
  expect(findStrays([{ path, text }])).toEqual([]);
});

test("a file of more lines than anybody wants to read is a stray", () => {
  const ofLines = (count: number) => [{ path: "ops/a.ts", text: "line\n".repeat(count) }];
  expect(findStrays(ofLines(250))).toEqual([]);
  expect(findStrays(ofLines(251))).toEqual(["ops/a.ts has 251 lines, more than 250"]);
});

test("rooms that need each other in order to run are strays, and those that share types are not", () => {
  const files = (isType: string) => [
    { path: "http/a.ts", text: 'import { b } from "../database/b.ts";' },
    { path: "database/b.ts", text: 'import { c } from "../queue/c.ts";' },
    { path: "queue/c.ts", text: `import ${isType} { b } from "../database/b.ts";` },
  ];
  expect(findStrays(files(""))).toEqual(["database and queue cannot run without each other"]);
  expect(findStrays(files("type"))).toEqual([]);
});

function findStrays(files: readonly SourceFile[]): string[] {
  const imports = files.flatMap(importsOf);
  const needed = imports.filter(({ from, isType }) => !isTest(from.path) && !isType);
  return [...files.flatMap(judgeFile), ...imports.flatMap(judgeImport), ...findCycles(needed)];
}

function judgeFile(file: SourceFile): string[] {
  const { path, text } = file;
  const room = roomOf(path);
  const lines = text.split("\n").length - 1;
  const linesAllowed = isTest(path) ? linesMax.test : linesMax.production;
  const code = text.replaceAll(/\/\*.*?\*\/|(?<=^|\s)\/\/[^\n]*/gs, "");
  return [
    ...(rooms[room] === undefined && !isTest(room)
      ? [`${path} is in ${room}, a room that is not in the table`]
      : []),
    ...(lines > linesAllowed && path !== generated
      ? [`${path} has ${lines} lines, more than ${linesAllowed}`]
      : []),
    ...reserved
      .filter(({ pattern, allowed }) => !isTest(path) && !allowed.test(path) && pattern.test(code))
      .map(({ what }) => `${path} ${what}`),
  ];
}

function judgeImport({ from: { path }, to, isType }: Import): string[] {
  const room = roomOf(path);
  // Tests set up whatever they need; the simulator's are to know it from outside, as Stripe's own client does.
  if (isTest(path) && room !== "simulator") return [];
  if (to.startsWith(".")) {
    const target = roomOf(new URL(to, `file:///${path}`).pathname.slice(1));
    const isAllowed = target === room || rooms[room]?.includes(target) === true;
    return isAllowed ? [] : [`${path} imports ${target}, which ${room} may not`];
  }
  const name = packageOf(to);
  if (room === "usage" && name !== "zod") return [`${path} imports ${name}, and usage needs nothing but zod`];
  const homes = isType || isTest(path) ? undefined : packageHomes[name];
  if (homes === undefined || homes.includes(room)) return [];
  return [`${path} imports the package ${name}, which is at home in ${homes.join(" and ")}`];
}

/** Rooms of which each reaches the other by imports that are there when the program runs. */
function findCycles(needed: readonly Import[]): string[] {
  const reached = new Map<string, Set<string>>();
  for (const { from, to } of needed.filter((one) => one.to.startsWith("."))) {
    const room = roomOf(from.path);
    const target = roomOf(new URL(to, `file:///${from.path}`).pathname.slice(1));
    reached.set(room, (reached.get(room) ?? new Set()).add(target));
  }
  // The rooms that a reached room reaches are reached too; a set's loop also visits what is added on the way.
  for (const targets of reached.values()) {
    for (const target of targets) for (const next of reached.get(target) ?? []) targets.add(next);
  }
  return [...reached].flatMap(([room, targets]) =>
    [...targets]
      .filter((target) => room < target && reached.get(target)?.has(room) === true)
      .map((target) => `${room} and ${target} cannot run without each other`),
  );
}

function importsOf(file: SourceFile): Import[] {
  const statements = file.text.matchAll(
    /^\s*(?:import|export)\s+(type\s+)?(?:[\w*{}\s,$]+?\sfrom\s+)?"([^"]+)"|\bimport\(\s*"([^"]+)"/gm,
  );
  return [...statements].map(([, type, name, dynamic]) => ({
    from: file,
    to: name ?? dynamic ?? "",
    isType: type !== undefined,
  }));
}

function roomOf(path: string): string {
  return path.split("/")[0] ?? path;
}

function packageOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

function isTest(path: string): boolean {
  return path.endsWith(".test.ts") || path.startsWith("testing/");
}
