import { nodeFault } from "./node-version.ts";
import { returnFreedMemory } from "./return-freed-memory.ts";
import { listenToStopSignals, type StopSignals } from "./stop-signals.ts";

/** Exit code of a process that cannot work in its environment: EX_CONFIG of sysexits.h. */
const exitCodeConfig = 78;

type Program = {
  name: string;
  kind: "service" | "command";
  /** Whether memory that was freed goes back to the system at once; the process begins twice for it. */
  isLean?: boolean;
};
type Run = (stop: StopSignals) => Promise<void>;

/**
 * Checks the version of Node, listens to signals, and only then loads the program: its imports may fail on an older
 * Node and take half a second on a newer one. An entry point is one call of this and imports nothing else.
 */
export async function startProgram(
  { name, kind, isLean = false }: Program,
  load: () => Promise<Run>,
): Promise<void> {
  const fault = nodeFault(name, process.versions.node);
  if (fault !== undefined) {
    process.stderr.write(`${fault}\n`);
    process.exit(exitCodeConfig);
  }
  if (isLean) returnFreedMemory();
  const stop = listenToStopSignals(kind);
  const run = await load();
  await run(stop);
  stop.programIsDone();
}
