import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { OrphanGuard } from "../../src/testing/processes/orphan-guard.ts";

const lastLinesMax = 15;
const stopTimeoutMs = 15_000;

export type ChildOptions = {
  /** How people call it: api, worker. */
  name: string;
  /** Arguments of Node, the script among them. */
  args: readonly string[];
  env: Record<string, string>;
  guard: OrphanGuard;
  /** Gets every line that the child writes. */
  onLine: (line: string) => void;
};

export type Ending = { exitCode: number | null; signal: NodeJS.Signals | null };

export type Child = {
  name: string;
  ended: Promise<Ending>;
  /** The latest lines that it wrote, for a report of its death. */
  lastLines: () => string[];
  /** Asks it to end with SIGTERM, and kills it when it takes too long. */
  stop: () => Promise<void>;
};

/** Starts a Node process of this very Node version, whose life is bound to ours. */
export function startChild({ name, args, env, guard, onLine }: ChildOptions): Child {
  const child = spawn(process.execPath, args, {
    env,
    // A process group of its own: Ctrl-C in the terminal must not stop all processes at once, out of order.
    detached: process.platform !== "win32",
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (child.pid !== undefined) guard.watch(child.pid);
  const lastLines: string[] = [];
  for (const output of [child.stdout, child.stderr]) {
    createInterface({ input: output }).on("line", (line) => {
      lastLines.push(line);
      if (lastLines.length > lastLinesMax) lastLines.shift();
      onLine(line);
    });
  }
  const ended = untilEnded(child);
  return { name, ended, lastLines: () => [...lastLines], stop: () => stopChild(child, ended) };
}

/** The death of a child that should have lived, with its last words. */
export function describeDeath({ name, lastLines }: Child, { exitCode, signal }: Ending): string {
  const how = signal === null ? `exit code ${exitCode}` : signal;
  return [`the ${name} process ended unexpectedly (${how}); its last log lines:`, ...lastLines()].join(
    "\n  ",
  );
}

async function untilEnded(child: ChildProcess): Promise<Ending> {
  // Only after "close" has all output arrived. Rejects when the process cannot even be started.
  await once(child, "close");
  return { exitCode: child.exitCode, signal: child.signalCode };
}

async function stopChild(child: ChildProcess, ended: Promise<Ending>): Promise<void> {
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
