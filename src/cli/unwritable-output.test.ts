import { type ChildProcess, spawn, type StdioOptions } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { open } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";

const projectRoot = new URL("../..", import.meta.url);

/** A device that every write to fails, as on a full disk. */
const fullDevice = "/dev/full";
const hasFullDevice = existsSync(fullDevice);

test.skipIf(!hasFullDevice)("output that cannot be written is a failure, and stderr says why", async () => {
  const [code, told] = await withFullDevice(async (full) => {
    const child = runCli(["--help"], [full, "pipe"]);
    return Promise.all([exitCodeOf(child), child.stderr === null ? "" : text(child.stderr)]);
  });

  expect(code).toBe(1);
  expect(told).toMatch(/^error: the output could not be written: ENOSPC: .*\n$/);
});

test.skipIf(!hasFullDevice)("a message that cannot be written leaves the exit code as it is", async () => {
  const code = await withFullDevice((full) => exitCodeOf(runCli(["nonsense"], ["ignore", full])));

  expect(code).toBe(2);
});

test("a message whose reader has gone leaves the exit code as it is", async () => {
  const child = runCli(["nonsense"], ["ignore", "pipe"]);
  // Closed long before the program is loaded.
  child.stderr?.destroy();

  expect(await exitCodeOf(child)).toBe(2);
});

type Output = number | "pipe" | "ignore";

/** Starts `src/cli.ts`, which writes its stdout and its stderr there. */
function runCli(args: readonly string[], [stdout, stderr]: [Output, Output]): ChildProcess {
  const stdio = ["ignore", stdout, stderr] satisfies StdioOptions;
  return spawn(process.execPath, ["src/cli.ts", ...args], { cwd: projectRoot, env: {}, stdio });
}

async function exitCodeOf(child: ChildProcess): Promise<unknown> {
  const [code] = await once(child, "close");
  return code;
}

async function withFullDevice<T>(use: (descriptor: number) => Promise<T>): Promise<T> {
  const device = await open(fullDevice, "w");
  try {
    return await use(device.fd);
  } finally {
    await device.close();
  }
}
