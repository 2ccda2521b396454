import type { CommandTools } from "./command-tools.ts";
import type { Outcome } from "./outcome.ts";

/** What a command does with its tools. */
export type CommandWork = (tools: CommandTools) => Promise<Outcome>;

/** Runs one command and tells what came of it. `evenWithoutSchema`: also on a database that was never migrated. */
export type Run = (work: CommandWork, options?: { evenWithoutSchema: boolean }) => Promise<void>;
