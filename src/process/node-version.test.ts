import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { stripTypeScriptTypes } from "node:module";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";
import { nodeFault } from "./node-version.ts";

const programs = ["api", "worker", "cli", "migrate", "simulator"];
const source = new URL("../", import.meta.url);

const built = await mkdtemp(join(tmpdir(), "meter-outbox-entries-"));
afterAll(() => rm(built, { recursive: true, force: true }));
await buildEntries();
const old = await findOldNode();
const where = old === undefined ? " (skipped: this machine has no older Node on its path)" : "";

test.each([
  ["20.20.2", "needs Node 24 or newer, and this is Node 20.20.2"],
  ["23.11.1", "npx node@24 dist/worker.js"],
  ["22.0.0", "node_modules/.bin/node dist/worker.js"],
])("Node %s is too old, and the one line says %j", (version, words) => {
  expect(nodeFault("worker", version)).toMatch(/^worker: [^\n]+$/);
  expect(nodeFault("worker", version)).toContain(words);
});

test.each(["24.0.0", "26.1.0", "100.0.0"])("Node %s is new enough", (version) => {
  expect(nodeFault("worker", version)).toBeUndefined();
});

test.skipIf(old === undefined).each(programs)(
  `dist/%s.js on an older Node ends with 78 and one line${where}`,
  async (program) => {
    const ended = promisify(execFile)(old?.path ?? "", [join(built, "dist", `${program}.js`)]);
    await expect(ended).rejects.toMatchObject({
      code: 78,
      stdout: "",
      stderr: `${nodeFault(program, old?.version ?? "")}\n`,
    });
  },
);

/** The entry points and what they import first, as the build makes them; the programs themselves are left out. */
async function buildEntries(): Promise<void> {
  await mkdir(join(built, "dist", "process"), { recursive: true });
  await writeFile(join(built, "package.json"), '{ "type": "module" }\n');
  const helpers = (await readdir(new URL("process/", source))).filter((name) => !name.endsWith(".test.ts"));
  for (const file of [...programs.map((name) => `${name}.ts`), ...helpers.map((name) => `process/${name}`)]) {
    const code = stripTypeScriptTypes(await readFile(new URL(file, source), "utf8"));
    const script = code.replaceAll(/(?<=["/][\w-]+)\.ts"/g, '.js"');
    await writeFile(join(built, "dist", file.replace(/\.ts$/, ".js")), script);
  }
}

async function findOldNode(): Promise<{ path: string; version: string } | undefined> {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const path = join(folder, "node");
    const asked = await promisify(execFile)(path, ["--version"]).catch(() => undefined);
    const version = asked?.stdout.trim().replace(/^v/, "") ?? "";
    if (version !== "" && Number.parseInt(version, 10) < 24) return { path, version };
  }
  return undefined;
}
