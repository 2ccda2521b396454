import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { PostgresAccount } from "./postgres-account.ts";

/** `fast` ends every session and writes a checkpoint; `immediate` ends like a crash. */
export type HaltMode = "fast" | "immediate";

export type PostgresProcess = { pid: number; halt: (mode: HaltMode) => Promise<void> };

export type PostgresCommand = {
  binary: string;
  args: string[];
  account: PostgresAccount | undefined;
  /** A folder that the account may enter. */
  workingFolder: string;
  /** Variables beside those of this process. */
  environment?: Record<string, string | undefined>;
};

const startTimeoutMs = 60_000;
const logLengthMax = 8_000;
const haltSignals = { fast: "SIGINT", immediate: "SIGQUIT" } as const;

/** Starts Postgres and waits until it accepts connections. Throws with the server's log if it does not. */
export async function startPostgresProcess(command: PostgresCommand): Promise<PostgresProcess> {
  const child = spawnQuietly(command);
  const log = keepLog(child);
  const ended = once(child, "exit");
  await untilReady(child, log);
  let isHalting = false;
  child.once("exit", () => {
    if (!isHalting) process.stderr.write(`the embedded Postgres ended by itself:\n${log.text()}\n`);
  });
  return {
    pid: child.pid ?? 0,
    halt: async (mode) => {
      isHalting = true;
      child.kill(haltSignals[mode]);
      await ended;
    },
  };
}

/** Runs a command such as initdb to its end. Throws with its output unless it succeeds. */
export async function runPostgresCommand(command: PostgresCommand): Promise<void> {
  const child = spawnQuietly(command);
  const log = keepLog(child);
  const [exitCode] = await once(child, "close");
  if (exitCode !== 0) throw new Error(`${command.binary} failed (exit code ${exitCode}):\n${log.text()}`);
}

function spawnQuietly({ binary, args, account, workingFolder, environment }: PostgresCommand): ChildProcess {
  return spawn(binary, args, {
    ...account,
    cwd: workingFolder,
    env: { ...process.env, ...environment },
    // A session of its own: Ctrl-C in the terminal must reach our processes and not the database under them.
    detached: process.platform !== "win32",
    stdio: ["ignore", "ignore", "pipe"],
  });
}

function keepLog(child: ChildProcess): { text: () => string } {
  let log = "";
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    log = (log + chunk).slice(-logLengthMax);
  });
  return { text: () => log };
}

async function untilReady(child: ChildProcess, log: { text: () => string }): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const giveUp = (why: string) => {
      child.kill("SIGQUIT");
      reject(new Error(`Postgres ${why}:\n${log.text()}`));
    };
    const timer = setTimeout(giveUp, startTimeoutMs, `was not ready within ${startTimeoutMs} ms`);
    const onClose = () => giveUp("ended before it was ready");
    const onData = () => {
      if (!log.text().includes("ready to accept connections")) return;
      child.off("close", onClose);
      child.stderr?.off("data", onData);
      clearTimeout(timer);
      resolve();
    };
    child.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once("close", onClose);
    child.once("close", () => clearTimeout(timer));
    child.stderr?.on("data", onData);
  });
}
