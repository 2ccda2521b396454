import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { until } from "../src/testing/processes/until.ts";

/** Ends only when the test has seen what it waits for. */
const slowNpm = `
const { existsSync } = require("node:fs");
setInterval(() => existsSync("seen") && process.exit(7), 20);
`;

/** In npm's place: shows the arguments that the installation gave to npm. */
const tellingNpm = `
console.error(process.argv.slice(2).join(" "));
process.exitCode = 7;
`;

test("an installation that takes longer says how far it is, and how it failed", async () => {
  const { root, run, output } = await startInstall(slowNpm);
  await until(() => output().includes("npm is fetching up to 2 packages"), {
    what: "a word",
    standing: output,
  });
  await writeFile(join(root, "seen"), "");

  expect(await once(run, "close")).toEqual([1, null]);
  expect(output()).toMatch(/^install: node_modules is missing or incomplete; running npm ci/);
  expect(output()).toContain("npm failed (exit code 7)");
});

test("packages of every kind are installed, whatever NODE_ENV and npm's settings leave out", async () => {
  const { run, output } = await startInstall(tellingNpm);

  expect(await once(run, "close")).toEqual([1, null]);
  expect(output()).toMatch(/^ci --include=dev --include=optional /m);
});

/** Starts an installation of two packages, by this program in npm's place. */
async function startInstall(npm: string) {
  const root = await mkdtemp(join(tmpdir(), "meter-outbox-install-"));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  await mkdir(join(root, "scripts"));
  await cp(fileURLToPath(new URL("install.mjs", import.meta.url)), join(root, "scripts/install.mjs"));
  const packages = {
    "": {},
    "node_modules/one": { version: "1.0.0" },
    "node_modules/two": { version: "1.0.0" },
  };
  await writeFile(join(root, "package-lock.json"), JSON.stringify({ packages }));
  await writeFile(join(root, "npm.js"), npm);

  const run = spawn(process.execPath, ["scripts/install.mjs"], {
    cwd: root,
    env: {
      PATH: process.env["PATH"],
      npm_execpath: join(root, "npm.js"),
      npm_node_execpath: process.execPath,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [run.stdout, run.stderr]) stream.on("data", (text) => (output += String(text)));
  return { root, run, output: () => output };
}
