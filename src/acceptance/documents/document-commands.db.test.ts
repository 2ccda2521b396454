import pg from "pg";
import { afterAll, expect, onTestFinished } from "vitest";
import { startSimulator } from "../../simulator/start-simulator.ts";
import { documentTest as test } from "./document-fixture.ts";
import { exampleOrganization, furnish, haveExports } from "./furnish.ts";
import { type Fence, readFences } from "./markdown.ts";
import { makeProgramFolder } from "./program-folder.ts";
import { listDocuments, readDocument } from "./read-document.ts";
import { type BlockRun, type Desk, runBlocks } from "./reader.ts";
import { runPythonStatements, runStatements } from "./run-statements.ts";
import { runTypeScript } from "./run-typescript.ts";
import { differentMembers } from "./shape.ts";
import { patienceMs } from "../../testing/processes/patience.ts";

/** Why a block is not run here. Each reason says which test or person runs the block instead, or why none can. */
const knownReasons = new Set([
  "the gate runs it",
  "runs until it is stopped",
  "needs your own Postgres and Stripe",
  "needs your own backup",
  "needs a Docker engine",
  // src/acceptance/cluster/ and src/migrate/distribute.db.test.ts do the same to a cluster of their own.
  "needs a cluster of your own",
  // Its flags are those of stripe.md; it needs an account, and a browser to log in.
  "needs Stripe's own command line",
  // src/database/roles.db.test.ts runs the script.
  "makes roles of the whole server",
  // As in docs/stripe.md, whose blocks are run; src/simulator/v1/subscriptions.test.ts has backdate_start_date.
  "needs the ids of your prices",
  // pg-boss's own dashboard: a person who wants it fetches and runs it.
  "it fetches a package that is no part of the service",
  "needs psycopg; its statements are run",
  "a signature, no statement",
]);
const otherShells = ["bash", "console", "shell", "shell-session", "zsh"];

type Document = {
  path: string;
  fences: Fence[];
  /** The shell blocks that the page's reader types, in order. */
  blocks: Fence[];
};

const documents = await Promise.all((await listDocuments()).map(readPage));

const program = await makeProgramFolder();
afterAll(program.remove);

test(
  "the commands of the documents run as they are written",
  { timeout: patienceMs(240_000) },
  async ({ layDesk, openApi, openWorker, database, account }) => {
    const desk = await layDesk({ program, databaseUrl: database.url });
    await Promise.all([openApi(desk), openWorker(desk)]);
    // Each reader who tries the simulator has one alone.
    const ownSimulator = await startSimulator();
    onTestFinished(ownSimulator.stop);
    const simulatorDesk = await layDesk({ program, databaseUrl: database.url });
    simulatorDesk.addresses["127.0.0.1:12111"] = new URL(ownSimulator.url).host;

    const faults: string[] = [];
    async function type({ path, fences, blocks }: Document, at: Desk): Promise<void> {
      await furnish[path]?.({ db: database.db, account });
      try {
        const runs = await runBlocks(blocks, at);
        const found = runs.flatMap((run) => [...refusals(run), ...answerFaults(run, fences)]);
        faults.push(...found.map((fault) => `${path} ${fault}`));
      } catch (error) {
        faults.push(`${path} ${String(error)}`);
      }
    }
    async function typeInOrder(pages: Document[], at: Desk): Promise<void> {
      for (const page of pages) await type(page, at);
    }
    const toType = documents.filter(({ blocks }) => blocks.length > 0).toSorted(byTroubles);
    const isOfSimulator = ({ path }: Document) => path === "docs/simulator.md";
    await Promise.all([
      typeInOrder(
        toType.filter((page) => !isOfSimulator(page)),
        desk,
      ),
      typeInOrder(toType.filter(isOfSimulator), simulatorDesk),
    ]);
    expect(faults).toEqual([]);
  },
);

test("the statements of docs/record-usage.md run as they are written, in each language", async ({
  layDesk,
  database,
  account,
}) => {
  const page = "docs/record-usage.md";
  const fences = documents.find(({ path }) => path === page)?.fences ?? [];
  const only = (language: string) => fences.filter((fence) => fence.language === language);
  const desk = await layDesk({ program, databaseUrl: database.url });
  // The readers' program: it has the settings of the database, and not those of our connections.
  const pool = new pg.Pool({ connectionString: database.url, max: 1 });
  // The database is dropped before the pool has ended.
  pool.on("error", () => {});
  onTestFinished(() => pool.end());
  await haveExports({ db: database.db, account });

  await runStatements(
    pool,
    only("sql").filter((fence) => whyLeftOut(fence) === undefined),
  );
  for (const fence of only("ts")) {
    await runTypeScript(fence, {
      before: `import { Kysely, PostgresDialect, sql } from "kysely";
import { Pool } from "pg";
const db = new Kysely({ dialect: new PostgresDialect({ pool: new Pool({ connectionString: ${JSON.stringify(database.url)} }) }) });
const [id, organizationId, pages] = [4712, "${exampleOrganization}", 13];`,
      after: "await db.destroy();",
      desk,
    });
  }
  const values = {
    export_id: 4713,
    organization_id: exampleOrganization,
    pages: 14,
    'f"export-{export_id}"': "export-4713",
  };
  for (const fence of only("python")) {
    expect(await runPythonStatements(pool, fence, values)).toBe(2);
  }

  const { rows: exports } = await database.pool.query("select id, pages from public.exports order by id");
  expect(exports.map(({ id, pages }) => `${id} ${pages}`)).toEqual(["4711 12", "4712 13", "4713 14"]);
  const { rows: entries } = await database.pool.query(
    "select quantity from metering.meter_outbox where organization_id = $1 order by quantity",
    [exampleOrganization],
  );
  expect(entries.map(({ quantity }) => Number(quantity))).toEqual([12, 13, 14]);
});

test("a block is left out for a known reason only", () => {
  const reasons = documents.flatMap(({ path, fences }) =>
    fences.flatMap(({ line, notes }) =>
      notes["not-run"] === undefined ? [] : [{ path, line, reason: notes["not-run"] }],
    ),
  );
  expect(reasons.filter(({ reason }) => !knownReasons.has(reason))).toEqual([]);
  expect([...knownReasons].filter((known) => !reasons.some(({ reason }) => reason === known))).toEqual([]);
});

test("a block that another test runs names a test that reads the document", async () => {
  const strangers = await Promise.all(
    documents.flatMap(({ path, fences }) =>
      fences.map(async ({ line, notes }) => {
        const by = notes["run-by"];
        return by === undefined || reads(await readDocument(by), path) ? [] : [`${path}:${line} ${by}`];
      }),
    ),
  );
  expect(strangers.flat()).toEqual([]);
});

test("no command hides in a block of another name", () => {
  const hidden = documents.flatMap(({ path, fences }) =>
    fences
      .filter(({ language }) => language === "" || otherShells.includes(language))
      .map(({ line }) => `${path}:${line}`),
  );
  expect(hidden).toEqual([]);
});

/** A test that only names the document, in its title or a comment, would pass with any document. */
function reads(source: string, path: string): boolean {
  const calls = source.matchAll(/\bread(?:Document|File)\(\s*(?:new URL\(\s*)?"(?:\.\.?\/)*([^"]+)"/g);
  return [...calls].some(([, read]) => read === path);
}

async function readPage(path: string): Promise<Document> {
  const fences = readFences(await readDocument(path));
  const blocks = fences.filter((fence) => fence.language === "sh" && whyLeftOut(fence) === undefined);
  return { path, fences, blocks };
}

/**
 * These pages are typed last, since `doctor` tells of what they leave: api.md's customer has no subscription, and the
 * runbook's event makes no sense.
 */
function byTroubles(one: Document, other: Document): number {
  const withTroubles = ["docs/api.md", "docs/metrics.md"];
  return withTroubles.indexOf(one.path) - withTroubles.indexOf(other.path);
}

/** `run-by` names the test that runs the block instead, because it needs more than a service that works. */
function whyLeftOut({ notes }: Pick<Fence, "notes">): string | undefined {
  return notes["not-run"] ?? notes["run-by"];
}

/** Every request succeeds, except those that the block's note `answers` names, in order. */
function refusals({ block, statuses, out }: BlockRun): string[] {
  const refused = statuses.filter((status) => status >= 400).join(" ");
  const expected = block.notes["answers"] ?? "";
  return refused === expected
    ? []
    : [`line ${block.line} was answered "${refused}" in place of "${expected}": ${out}`];
}

/** The JSON that the document shows right after a block has the same members as the block's output. */
function answerFaults({ block, out }: BlockRun, fences: readonly Fence[]): string[] {
  const shown = fences[fences.indexOf(block) + 1];
  const fault = shown === undefined ? undefined : faultOf(shown, out.trim());
  return fault === undefined || shown === undefined ? [] : [`line ${shown.line}: ${fault}; it is\n${out}`];
}

function faultOf({ language, text }: Fence, out: string): string | undefined {
  if (language === "csv") {
    const headingOf = (csv: string) => csv.split(/\r?\n/)[0];
    return headingOf(text) === headingOf(out) ? undefined : "other columns";
  }
  if (language !== "json" && language !== "jsonl") return undefined;
  const read = (lines: string): unknown =>
    language === "json"
      ? JSON.parse(lines)
      : lines
          .trim()
          .split("\n")
          .map((line): unknown => JSON.parse(line));
  const different = differentMembers(read(text), read(out));
  return different.length === 0 ? undefined : `other members: ${different.join(" ")}`;
}
