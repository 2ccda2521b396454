import type { CommandTools } from "./command-tools.ts";
import type { Outcome } from "./outcome.ts";

/** The work of a command, done with its tools. */
export type CommandWork = (tools: CommandTools) => Promise<Outcome>;

/** Runs one command and shows its outcome. `evenWithoutSchema`: also on a database that was never migrated. */
export type Run = (work: CommandWork, options?: { evenWithoutSchema: boolean }) => Promise<void>;
