import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Fence } from "./markdown.ts";
import { patienceMs } from "../../testing/processes/patience.ts";

export type BlockRun = {
  block: Fence;
  out: string;
  err: string;
  /** The HTTP status of every request that curl made, in order. */
  statuses: number[];
};

/** The folder, variables and programs of a reader who types a document's commands. */
export type Desk = {
  /** Where the commands are typed; also the home of curl's settings. */
  folder: string;
  environment: Record<string, string>;
  /** `host:port` in the document, and the real address of the test. */
  addresses: Record<string, string>;
};

const withinMs = patienceMs(120_000);
const statusLine = /^\[answered (\d{3})\]$/gm;

/**
 * Runs a document's shell blocks as they are, in one shell from top to bottom, so that a block may use variables of an
 * earlier one. Throws with the block and its output when a command fails. Processes that a block leaves running are
 * ended.
 */
export async function runBlocks(blocks: readonly Fence[], desk: Desk): Promise<BlockRun[]> {
  const fileOf = (index: number, name: string) => join(desk.folder, `block-${index}.${name}`);
  await writeFile(join(desk.folder, ".curlrc"), curlSettings(desk.addresses));
  await Promise.all(blocks.map((block, index) => writeFile(fileOf(index, "sh"), block.text)));
  const steps = blocks.map(({ notes }, index) => {
    const run = `. ${fileOf(index, "sh")} >${fileOf(index, "out")} 2>${fileOf(index, "err")} </dev/null`;
    const { exit } = notes;
    return `${exit === undefined ? run : `code=0; ${run} || code=$?; [ $code = ${exit} ]`}\necho ${index}\n`;
  });
  const { code, told } = await runShell(`set -euo pipefail\n${steps.join("")}`, desk);
  const done = told.split("\n").filter((line) => line !== "").length;
  const read = async (index: number, name: string) => readFile(fileOf(index, name), "utf8").catch(() => "");
  const failed = blocks[done];
  if (failed !== undefined) {
    const output = `${await read(done, "out")}${await read(done, "err")}`;
    throw new Error(`line ${failed.line}, exit ${code}:\n${failed.text}\n${output}`);
  }
  return Promise.all(
    blocks.map(async (block, index) => {
      const err = await read(index, "err");
      const statuses = [...err.matchAll(statusLine)].map(([, status]) => Number(status));
      return { block, out: await read(index, "out"), err, statuses };
    }),
  );
}

/**
 * A reader's curl, which knows the test's address for each address of the document, and separates each status from the
 * answer.
 */
function curlSettings(addresses: Record<string, string>): string {
  const detours = Object.entries(addresses).map(([from, to]) => `connect-to = "${from}:${to}"\n`);
  return `${detours.join("")}silent\nshow-error\nwrite-out = "%{stderr}\\n[answered %{http_code}]\\n%{stdout}\\n"\n`;
}

async function runShell(script: string, desk: Desk): Promise<{ code: number | null; told: string }> {
  const shell = spawn("bash", ["-c", script], {
    cwd: desk.folder,
    env: { ...desk.environment, HOME: desk.folder },
    stdio: ["ignore", "pipe", "ignore"],
    detached: true,
  });
  const told: string[] = [];
  shell.stdout.setEncoding("utf8").on("data", (text: string) => told.push(text));
  const endGroup = () => {
    if (shell.pid !== undefined) endProcessGroup(shell.pid);
  };
  const deadline = setTimeout(endGroup, withinMs);
  await once(shell, "exit");
  clearTimeout(deadline);
  endGroup();
  return { code: shell.exitCode, told: told.join("") };
}

function endProcessGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    // ESRCH: the group has no process left.
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
