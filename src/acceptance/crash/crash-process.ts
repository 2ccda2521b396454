import { spawn } from "node:child_process";
import { once } from "node:events";
import { compileCache } from "../../testing/processes/compile-cache.ts";
import { until } from "../../testing/processes/until.ts";

/** A program of this project as a process of its own, made to be killed. */
export type CrashProcess = {
  /** Waits until it wrote a line with this event; false when it died, or the time was over, before. */
  says: (event: string, withinMs: number) => Promise<boolean>;
  signal: (name: NodeJS.Signals) => void;
  /** Resolves when it is gone; true if SIGKILL ended it. */
  died: () => Promise<boolean>;
  output: () => string;
};

const projectRoot = new URL("../../..", import.meta.url);

/** Starts `src/<program>`, straight from the sources, with this environment and no other variable but Node's cache. */
export function startCrashProcess(program: string, environment: Record<string, string>): CrashProcess {
  const child = spawn(process.execPath, ["--import", "./scripts/build/load-tsx.mjs", `src/${program}`], {
    cwd: projectRoot,
    env: { NODE_COMPILE_CACHE: compileCache, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const chunks: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => chunks.push(chunk));
  }
  const closed = once(child, "close");
  const isDead = () => child.exitCode !== null || child.signalCode !== null;
  const output = () => chunks.join("");
  return {
    says: async (event, withinMs) => {
      const hasSaid = () => output().includes(`"event":"${event}"`);
      const endsAtMs = performance.now() + withinMs;
      await until(() => hasSaid() || isDead() || performance.now() > endsAtMs, {
        what: event,
        withinMs: withinMs + 1_000,
      });
      return hasSaid();
    },
    signal: (name) => void child.kill(name),
    died: async () => {
      await closed;
      return child.signalCode === "SIGKILL";
    },
    output,
  };
}
