import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { functionLengths } from "./testing/source/function-lengths.ts";

/** A source file: its path below `src/`, and its text. */
type SourceFile = { path: string; text: string };
type Import = { from: SourceFile; to: string; isType: boolean };

/**
 * The floors of the house, the lowest first. A room is a folder, or a file that lies in none by its name. In production
 * code a room may import the rooms below its floor, and none beside or above it. docs/code.md tells what each is for.
 */
const floors: readonly (readonly string[])[] = [
  ["usage", "log.ts", "variable-forms.ts"],
  ["config.ts", "database", "tracing", "process"],
  ["queue", "stripe", "http", "actions"],
  ["intake", "outbox", "delivery", "migrate"],
  ["billing"],
  ["organizations", "monitoring", "reconciliation"],
  ["api", "worker"],
  ["console"],
  ["cli"],
  ["api.ts", "worker.ts", "cli.ts", "migrate.ts", "simulator.ts"],
];

/** Rooms that a room may not import although they lie below: the road of a reading knows no HTTP. */
const closed: Record<string, readonly string[]> = {
  intake: ["http"],
  outbox: ["http"],
  delivery: ["http"],
  reconciliation: ["http"],
};

const rooms: Record<string, readonly string[]> = {
  ...Object.fromEntries(
    floors.flatMap((floor, index) =>
      floor.map((room) => [room, mayImport(room, floors.slice(0, index).flat())]),
    ),
  ),
  // The simulator knows nothing of the service; only the program that starts it writes its log as the others do.
  simulator: [],
  "simulator-process.ts": ["log.ts", "process", "simulator"],
  testing: [],
  acceptance: [],
};

function mayImport(room: string, below: readonly string[]): readonly string[] {
  const program = room === "simulator.ts" ? ["simulator-process.ts"] : [];
  return [...below, ...program].filter((one) => !closed[room]?.includes(one));
}

/** Packages that only some rooms may use. Their types may be imported anywhere. */
const packageHomes: Record<string, readonly string[]> = {
  "@hono/node-server": ["http", "simulator"],
  "@opentelemetry/api": ["tracing"],
  "@opentelemetry/core": ["tracing"],
  "@opentelemetry/exporter-trace-otlp-proto": ["tracing"],
  "@opentelemetry/resources": ["tracing"],
  "@opentelemetry/sdk-trace": ["tracing"],
  "pg-boss": ["queue"],
  pg: ["database", "intake", "migrate"],
  pino: ["log.ts"],
  "prom-client": ["api", "monitoring", "worker"],
  stripe: ["stripe"],
};

/** Texts that only some files may contain. */
const reserved: { what: string; pattern: RegExp; allowed: RegExp }[] = [
  {
    // What a connection says before its first use is in one place; connection-settings.db.test.ts asks each kind.
    what: "opens connections of its own",
    pattern: /new (?:pg\.)?(?:Pool|Client|PgBoss)\(/,
    allowed: /^database\/pool\.ts$|^queue\/boss\.ts$|^migrate\/migrate\.ts$/,
  },
  {
    what: "touches meter_outbox",
    pattern: /metering\.meter_outbox\b|(?:From|Into|Table|Join)\(\s*"meter_outbox/,
    allowed:
      /^outbox\/|^intake\/(store-readings|store-on-node|count-sensors)\.ts$|^database\/needed-(rights|columns)\.ts$/,
  },
  {
    what: "writes meter_events",
    pattern:
      /(?:insert\s+into|update|delete\s+from|merge\s+into|truncate)\s+(?:only\s+)?metering\.meter_events\b|(?:insertInto|updateTable|deleteFrom|mergeInto)\(\s*"meter_events/i,
    allowed: /^delivery\/|^outbox\/(seal|stamp)-slices\.ts$/,
  },
  {
    what: "works a queue without telling of its failures, as workQueue does",
    pattern: /\bboss\s*\.\s*work\(/,
    allowed: /^queue\/work-queue\.ts$/,
  },
  {
    what: "reads the environment",
    pattern: /process\s*\.\s*env\b|\benv\b[^;]*from "node:process"/,
    allowed: /^config\.ts$|^simulator\/simulator-process\.ts$|^process\/return-freed-memory\.ts$/,
  },
];

const linesMax = { production: 250, test: 400 };
const generated = "database/schema.ts";
/** Of production functions, as `functionLengths` counts; nine of ten are no longer than the second. */
const functionLinesMax = { longest: 60, nineOfTen: 22 };

test("every file keeps to its room", async () => {
  expect(findStrays(await readSources())).toEqual([]);
});

test("a production function is no longer than a screen, and most are short", async () => {
  const lengths = (await readSources())
    .filter(({ path }) => !isTest(path) && path !== generated)
    .flatMap((file) => functionLengths(file).map((one) => ({ ...one, path: file.path })));
  const long = lengths.filter(({ lines }) => lines > functionLinesMax.longest);
  expect(long.map(({ path, line, name, lines }) => `${path}:${line} ${name} ${lines}`)).toEqual([]);
  const sorted = lengths.map(({ lines }) => lines).toSorted((a, b) => a - b);
  expect(sorted.length).toBeGreaterThan(1_000);
  expect(sorted[Math.ceil(sorted.length * 0.9) - 1]).toBeLessThanOrEqual(functionLinesMax.nineOfTen);
});

test("a function's length is that of its code, without its SQL and its comments", () => {
  const statement = `sql\`\n${"  select 1\n".repeat(80)}\``;
  const text = `/* x */\nfunction long() {\n  // why\n\n  return ${statement};\n}\nconst one = () => {\n  call();\n};\n`;
  expect(functionLengths({ path: "api/a.ts", text })).toEqual([
    { name: "long", line: 2, lines: 3 },
    { name: "one", line: 88, lines: 3 },
  ]);
  const told = functionLengths({ path: "api/a.ts", text: text.replace("sql`", "text`") });
  expect(told[0]).toEqual({ name: "long", line: 2, lines: 84 });
});

test("docs/code.md has the floors as they are, a line for each room, and no path that leads nowhere", async () => {
  const page = await readFile(new URL("../docs/code.md", import.meta.url), "utf8");
  const rows = [...page.matchAll(/^\| \d+ +\| (.*?) *\|$/gm)].map(([, cells = ""]) => namesIn(cells));
  expect(rows).toEqual(floors.slice(0, -1));
  const described = [...page.matchAll(/^- `([a-z]+)`:/gm)].map(([, room = ""]) => room);
  expect(described.toSorted()).toEqual(
    Object.keys(rooms)
      .filter((room) => !room.endsWith(".ts"))
      .toSorted(),
  );
  const [, changes = ""] = page.split("## To change X, open Y");
  const named = namesIn(changes.split("\n## ")[0] ?? "").filter((name) => /^[\w./-]+\.\w+$|\/$/.test(name));
  const missing = named.filter(
    (name) => !["", "src/"].some((base) => existsSync(new URL(`../${base}${name}`, import.meta.url))),
  );
  expect(named.length).toBeGreaterThan(40);
  expect(missing).toEqual([]);
});

test.each([
  ["usage/a.ts", 'import { sql } from "kysely";', "imports kysely, and usage needs nothing but zod"],
  ["usage/a.ts", 'import type { Log } from "../log.ts";', "imports log.ts, which usage may not"],
  ["intake/a.ts", 'import {\n  seal,\n} from "../outbox/seal.ts";', "imports outbox, which intake may not"],
  ["intake/a.ts", 'export { seal } from "../outbox/seal.ts";', "imports outbox, which intake may not"],
  ["intake/a.ts", 'await import("../outbox/seal.ts");', "imports outbox, which intake may not"],
  ["intake/a.ts", 'import "../outbox/seal.ts";', "imports outbox, which intake may not"],
  ["api/a.ts", 'import { x } from "../testing/x.ts";', "imports testing, which api may not"],
  ["api/a.ts", 'import { x } from "../simulator/x.ts";', "imports simulator, which api may not"],
  ["simulator/v1/a.ts", 'import { x } from "../../log.ts";', "imports log.ts, which simulator may not"],
  ["simulator/a.test.ts", 'import { x } from "../stripe/x.ts";', "imports stripe, which simulator may not"],
  ["delivery/a.ts", 'import Stripe from "stripe";', "imports the package stripe, which is at home in stripe"],
  ["api/a.ts", 'import { A } from "pg-boss/x";', "imports the package pg-boss, which is at home in queue"],
  ["lost/a.ts", "", "is in lost, a room that is not in the table"],
  ["api/a.ts", "sql`select from metering.meter_outbox`", "touches meter_outbox"],
  ["api/a.ts", 'db.selectFrom("meter_outbox as e")', "touches meter_outbox"],
  ["api/a.ts", "sql`update metering.meter_events set`", "writes meter_events"],
  ["api/a.ts", 'db.insertInto("meter_events")', "writes meter_events"],
  ["api/a.ts", "process.env.HOME", "reads the environment"],
  ["worker/a.ts", "new pg.Pool({ max: 1 })", "opens connections of its own"],
  ["database/a.ts", "new Client(url)", "opens connections of its own"],
  [
    "api/a.ts",
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
  ["api/a.ts", "sql`select from metering.meter_outbox_default`"],
  ["api/a.ts", "sql`select from metering.meter_events`"],
  ["api/a.ts", "// process.env is read in config.ts only"],
])("%s is no stray with %j", (path, text) => {
  expect(findStrays([{ path, text }])).toEqual([]);
});

test("a file of more lines than anybody wants to read is a stray", () => {
  const ofLines = (count: number) => [{ path: "api/a.ts", text: "line\n".repeat(count) }];
  expect(findStrays(ofLines(250))).toEqual([]);
  expect(findStrays(ofLines(251))).toEqual(["api/a.ts has 251 lines, more than 250"]);
});

async function readSources(): Promise<SourceFile[]> {
  const root = new URL(".", import.meta.url);
  const paths = (await readdir(root, { recursive: true })).filter((path) => /\.tsx?$/.test(path));
  return Promise.all(
    paths.map(async (path) => ({ path, text: await readFile(new URL(path, root), "utf8") })),
  );
}

function namesIn(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);
}

function findStrays(files: readonly SourceFile[]): string[] {
  return [...files.flatMap(judgeFile), ...files.flatMap(importsOf).flatMap(judgeImport)];
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
  // Tests import any room to set up their data; the simulator's own tests use it from outside, as Stripe's client does.
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
  const [room = path, file] = path.split("/");
  return room === "simulator" && file === "simulator-process.ts" ? file : room;
}

function packageOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

function isTest(path: string): boolean {
  return /\.test\.tsx?$|^(?:testing|acceptance)\//.test(path);
}
