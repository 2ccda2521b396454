import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { childEnvironment } from "../process/child-environment.ts";
import { describeDeath, startChild, type Child } from "../../src/testing/processes/child-process.ts";
import type { OrphanGuard } from "../../src/testing/processes/orphan-guard.ts";
import type { Teardown } from "../process/teardown.ts";
import { z } from "zod";

const startTimeoutMs = 30_000;

export type StackSurroundings = {
  /** Where this demo's own build of the programs is. */
  programFolder: string;
  /** Where each process's log goes, to a file of its own. */
  logFolder: string;
  teardown: Teardown;
  guard: OrphanGuard;
  /** Told when a process dies that should have lived. */
  onDeath: (error: Error) => void;
  signal: AbortSignal;
};

export type StackProcess = { name: string; env: Record<string, string> };

/** Runs a built entry point to its end. Throws with its last words unless it succeeds. */
export async function runToEnd(surroundings: StackSurroundings, process: StackProcess): Promise<void> {
  const child = launch(surroundings, process);
  surroundings.teardown.add(() => child.stop());
  const ending = await child.ended;
  surroundings.signal.throwIfAborted();
  if (ending.exitCode !== 0) throw new Error(describeDeath(child, ending));
}

/** Starts a built entry point that stays, and waits for the line of its log that says so: `api_started`. */
export async function startService(surroundings: StackSurroundings, process: StackProcess): Promise<LogLine> {
  const { teardown, onDeath, signal } = surroundings;
  const started = Promise.withResolvers<LogLine>();
  const child = launch(surroundings, process, (line) => {
    if (line.event === `${process.name}_started`) started.resolve(line);
  });
  let isStopping = false;
  teardown.add(() => {
    isStopping = true;
    return child.stop();
  });
  void untilDead(child).then((death) => {
    if (!isStopping) onDeath(death);
    return started.reject(death);
  });
  const late = setTimeout(() => {
    started.reject(new Error(`the ${process.name} process was not ready within ${startTimeoutMs} ms`));
  }, startTimeoutMs);
  const abort = () => started.reject(signal.reason);
  signal.addEventListener("abort", abort);
  return started.promise.finally(() => {
    clearTimeout(late);
    signal.removeEventListener("abort", abort);
  });
}

async function untilDead(child: Child): Promise<Error> {
  try {
    return new Error(describeDeath(child, await child.ended));
  } catch (error) {
    return new Error(`the ${child.name} process could not be started`, { cause: error });
  }
}

function launch(
  { programFolder, logFolder, guard }: StackSurroundings,
  { name, env }: StackProcess,
  onLogLine?: (line: LogLine) => void,
): Child {
  const logFile = join(logFolder, `${name}.log`);
  return startChild({
    name,
    args: ["--enable-source-maps", join(programFolder, `${name}.js`)],
    env: childEnvironment(process.env, env),
    guard,
    onLine: (line) => {
      appendFileSync(logFile, `${line}\n`);
      const logLine = parseLogLine(line);
      if (logLine !== undefined) onLogLine?.(logLine);
    },
  });
}

const logLineSchema = z.looseObject({
  event: z.string(),
  port: z.number().nullish(),
  url: z.string().optional(),
});

/** The lines of its children's logs that the demo reads: that they have started, and where. */
export type LogLine = z.infer<typeof logLineSchema>;

/** Parses one line of a JSON log; undefined when it is anything else, such as a warning of Node's. */
export function parseLogLine(line: string): LogLine | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return logLineSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
