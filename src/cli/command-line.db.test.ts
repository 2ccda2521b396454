import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { sql } from "kysely";
import { expect } from "vitest";
import { z } from "zod";
import { cliTest as test } from "../testing/fixtures/cli-fixture.ts";

const projectRoot = new URL("../..", import.meta.url);
const ended = z.object({ code: z.number(), stdout: z.string(), stderr: z.string() });

/** Runs `src/cli.ts` as a process of its own with this environment and no other variable. */
async function run(args: readonly string[], env: Record<string, string>) {
  const options = { cwd: projectRoot, env };
  try {
    return { code: 0, ...(await promisify(execFile)(process.execPath, ["src/cli.ts", ...args], options)) };
  } catch (error) {
    return ended.parse(error);
  }
}

test("help needs no environment and names every command", async () => {
  const { code, stdout } = await run(["--help"], {});
  expect(code).toBe(0);
  for (const command of [
    "organization",
    "key",
    "outbox",
    "seal",
    "events",
    "explain",
    "usage",
    "sensors",
    "webhooks",
    "pause",
    "resume",
    "stripe",
    "doctor",
  ]) {
    expect(stdout).toMatch(new RegExp(`^  ${command} `, "m"));
  }
});

test("the version needs no environment and is the package's", async () => {
  const { version } = z
    .object({ version: z.string() })
    .parse(JSON.parse(await readFile(new URL("package.json", projectRoot), "utf8")));
  expect(await run(["--version"], {})).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
});

test("a list whose reader has seen enough ends without a word", async ({ database }) => {
  await sql`insert into metering.organizations (name) select repeat('x', 200) from generate_series(1, 2000)`.execute(
    database.db,
  );
  const piped = `{ "${process.execPath}" src/cli.ts organization list --json; echo "code $?" >&2; } | head -n 1`;
  const options = { cwd: projectRoot, env: { DATABASE_URL: database.url } };
  const { stdout, stderr } = await promisify(execFile)("sh", ["-c", piped], options);
  expect({ stdout, stderr }).toEqual({ stdout: "{\n", stderr: "code 0\n" });
});

test("a process prints one JSON document and ends by itself", async ({ database, events }) => {
  const id = await events.seal({ state: "rejected" });
  const { code, stdout, stderr } = await run(["events", "retry", id, "--json"], {
    DATABASE_URL: database.url,
  });

  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(JSON.parse(stdout)).toEqual({ retried: 1 });
});

test("a failure is one line on stderr, without a stack or the key", async ({ database, account }) => {
  account.simulator.setKey(account.secretKey, "revoked");
  const { code, stdout, stderr } = await run(["stripe", "setup"], {
    DATABASE_URL: database.url,
    STRIPE_API_BASE: account.url,
    STRIPE_SECRET_KEY: account.secretKey,
  });

  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(/^error: Stripe answered 401: .*\n$/);
  expect(stderr).not.toMatch(/sk_test_\w+/);
});

test("a command that needs Stripe ends with 78 without a key", async ({ database }) => {
  expect(await run(["stripe", "setup"], { DATABASE_URL: database.url })).toEqual({
    code: 78,
    stdout: "",
    stderr: "STRIPE_SECRET_KEY: is required\n",
  });
});

test("a database without our schema is told to be migrated", async ({ cli, database: { db } }) => {
  await sql`drop schema metering cascade`.execute(db);
  const { exitCode, out, err } = await cli(["outbox", "status"]);

  expect({ exitCode, out }).toEqual({ exitCode: 1, out: "" });
  expect(err).toMatch(
    /^error: the database lacks migrations \(0001_schema, .*run `node dist\/migrate\.js` first\n$/,
  );
});

test("a database that may only be read answers in its own words, and is not told as out of reach", async ({
  cli,
  database: { db, url },
}) => {
  await sql`alter database ${sql.id(new URL(url).pathname.slice(1))} set default_transaction_read_only = on`.execute(
    db,
  );
  const { exitCode, out, err } = await cli(["organization", "create", "Acme"]);

  expect({ exitCode, out, err }).toEqual({
    exitCode: 1,
    out: "",
    err: "error: cannot execute INSERT in a read-only transaction\n",
  });
});

test("a database that cannot be reached is said in one line", async ({ cli }) => {
  const environment = { DATABASE_URL: "postgres://service:hunter2@localhost:1/metering" };
  const { exitCode, err } = await cli(["outbox", "status"], { environment });

  expect(exitCode).toBe(1);
  expect(err).toMatch(/^error: the database cannot be reached \(.+\): check DATABASE_URL\n$/);
  expect(err).not.toContain("hunter2");
});
