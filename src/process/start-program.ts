import { nodeFault } from "./node-version.ts";
import { listenToStopSignals, type StopSignals } from "./stop-signals.ts";

/** Exit code of a process that cannot work in its environment: EX_CONFIG of sysexits.h. */
const exitCodeConfig = 78;

type Run = (stop: StopSignals) => Promise<void>;

/**
 * Checks the version of Node, listens to signals, and only then loads the program: its imports may fail on an older
 * Node and take half a second on a newer one. An entry point is one call of this and imports nothing else.
 */
export async function startProgram(
  { name, kind }: { name: string; kind: "service" | "command" },
  load: () => Promise<Run>,
): Promise<void> {
  const fault = nodeFault(name, process.versions.node);
  if (fault !== undefined) {
    process.stderr.write(`${fault}\n`);
    process.exit(exitCodeConfig);
  }
  const stop = listenToStopSignals(kind);
  const run = await load();
  await run(stop);
}
