import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { keepEnd } from "./kept-end.ts";
import type { OrphanGuard } from "./orphan-guard.ts";

const lastLinesMax = 15;
const stopTimeoutMs = 15_000;
const outputCharsMax = 16 * 2 ** 20;

export type ChildOptions = {
  /** How people call it: api, worker. */
  name: string;
  /** This very Node unless told, which `args` then name a script for. */
  program?: string;
  args: readonly string[];
  env: Record<string, string>;
  cwd?: URL;
  /** Binds the child's life to ours, and gives it a process group of its own. */
  guard?: OrphanGuard;
  /** Gets every line that the child writes. */
  onLine?: (line: string) => void;
};

export type Ending = { exitCode: number | null; signal: NodeJS.Signals | null };

export type Child = {
  name: string;
  pid: number | undefined;
  hasEnded: () => boolean;
  /** Resolves when all of its output has arrived. Rejects when it could not even be started. */
  ended: Promise<Ending>;
  /** All that it wrote so far, stdout and stderr, or the end of much. */
  output: () => string;
  /** The latest lines that it wrote, for a report of its death. */
  lastLines: () => string[];
  signal: (name: NodeJS.Signals) => void;
  /** Asks it to end with SIGTERM, and kills it when it takes too long. */
  stop: () => Promise<void>;
};

/** Starts a program as a process of its own. */
export function startChild({ name, args, env, guard, ...options }: ChildOptions): Child {
  const child = spawn(options.program ?? process.execPath, args, {
    env,
    cwd: options.cwd,
    // A process group of its own: Ctrl-C in the terminal must not stop all processes at once, out of order.
    detached: guard !== undefined && process.platform !== "win32",
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (child.pid !== undefined) guard?.watch(child.pid);
  const lastLines: string[] = [];
  const output = keepEnd(outputCharsMax);
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", output.add);
    createInterface({ input: stream }).on("line", (line) => {
      lastLines.push(line);
      if (lastLines.length > lastLinesMax) lastLines.shift();
      options.onLine?.(line);
    });
  }
  const ended = untilEnded(child);
  return {
    name,
    pid: child.pid,
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    ended,
    output: output.read,
    lastLines: () => [...lastLines],
    signal: (signal) => void child.kill(signal),
    stop: () => stopChild(child, ended),
  };
}

/** The death of a child that should have lived, with its last words. */
export function describeDeath({ name, lastLines }: Child, { exitCode, signal }: Ending): string {
  const how = signal === null ? `exit code ${exitCode}` : signal;
  return [`the ${name} process ended unexpectedly (${how}); its last log lines:`, ...lastLines()].join(
    "\n  ",
  );
}

async function untilEnded(child: ChildProcess): Promise<Ending> {
  // Only after "close" has all output arrived.
  await once(child, "close");
  return { exitCode: child.exitCode, signal: child.signalCode };
}

async function stopChild(child: ChildProcess, ended: Promise<Ending>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  // Not to the group: a watching Node passes SIGTERM on, and a second one would cut the orderly stop short.
  child.kill("SIGTERM");
  const timer = setTimeout(() => killGroup(child), stopTimeoutMs);
  await ended;
  clearTimeout(timer);
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(process.platform === "win32" ? pid : -pid, "SIGKILL");
  } catch (error) {
    // It ended in the meantime.
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
