import { Command, CommanderError } from "commander";
import { missingMigrations } from "../migrate/migrations.ts";
import { type CommandTools, type Surroundings, withTools } from "./command-tools.ts";
import { describeFailure } from "./describe-failure.ts";
import type { Outcome } from "./outcome.ts";
import type { CommandWork, Run } from "./run.ts";

const exitCodes = { done: 0, alarming: 1, failed: 1, wrong_usage: 2 } as const satisfies Record<
  Outcome["kind"],
  number
>;

/** Options that collect their values. */
const repeatable: ReadonlySet<string> = new Set(["scope"]);

/** Commands that come from one file, in the order of the help; only those that are asked for are loaded. */
const groups: readonly {
  names: readonly string[];
  load: () => Promise<(program: Command, run: Run) => void>;
}[] = [
  {
    names: ["organization"],
    load: async () => (await import("./organization-commands.ts")).addOrganizationCommands,
  },
  {
    names: ["key"],
    load: async () => (await import("./key-commands.ts")).addKeyCommands,
  },
  {
    names: ["outbox", "seal", "pause", "resume"],
    load: async () => (await import("./outbox-commands.ts")).addOutboxCommands,
  },
  {
    names: ["events"],
    load: async () => (await import("./events-commands.ts")).addEventsCommands,
  },
  {
    names: ["usage"],
    load: async () => (await import("./usage-command.ts")).addUsageCommand,
  },
  {
    names: ["reconcile"],
    load: async () => (await import("./reconcile-command.ts")).addReconcileCommand,
  },
  {
    names: ["statement"],
    load: async () => (await import("./statement-command.ts")).addStatementCommand,
  },
  {
    names: ["sensors"],
    load: async () => (await import("./sensors-command.ts")).addSensorsCommand,
  },
  {
    names: ["webhooks"],
    load: async () => (await import("./webhooks-commands.ts")).addWebhooksCommands,
  },
  {
    names: ["explain"],
    load: async () => (await import("./explain-command.ts")).addExplainCommand,
  },
  {
    names: ["count-sensors"],
    load: async () => (await import("./count-sensors-command.ts")).addCountSensorsCommand,
  },
  {
    names: ["cut-over"],
    load: async () => (await import("./cut-over-command.ts")).addCutOverCommand,
  },
  {
    names: ["drop-partitions"],
    load: async () => (await import("./drop-partitions-command.ts")).addDropPartitionsCommand,
  },
  {
    names: ["stripe"],
    load: async () => (await import("./stripe-commands.ts")).addStripeCommands,
  },
  {
    names: ["doctor"],
    load: async () => (await import("./doctor-command.ts")).addDoctorCommand,
  },
];

/**
 * Runs the command that the arguments name and returns the exit code: 0 done, 1 failed, 2 wrong usage. Never throws for
 * an error of a command.
 */
export async function runCommandLine(args: readonly string[], surroundings: Surroundings): Promise<number> {
  let exitCode: number = exitCodes.done;
  const program = await createProgram(
    args,
    surroundings,
    async (command, { evenWithoutSchema } = neverWithout) => {
      const outcome = await settle(surroundings, (tools) =>
        evenWithoutSchema ? command(tools) : onSchema(tools, command),
      );
      tell(outcome, surroundings, { isJson: program.opts()["json"] === true });
      exitCode = exitCodes[outcome.kind];
    },
  );
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? exitCodes.done : exitCodes.wrong_usage;
  }
  return exitCode;
}

const neverWithout = { evenWithoutSchema: false };

async function createProgram(
  args: readonly string[],
  { version, writeOut, writeErr }: Surroundings,
  run: Run,
): Promise<Command> {
  const program = new Command("meter-outbox")
    .description(
      "The operator's commands. They work on the database itself, whether the service runs or not.",
    )
    .version(version)
    .option("--json", "print one JSON document")
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeOut, writeErr })
    .exitOverride()
    .hook("preAction", refuseTwoForms)
    .addHelpText("after", "\nExit code: 0 done, 1 failed, 2 wrong usage, 78 bad environment.");
  for (const { load } of groupsFor(args)) (await load())(program, run);
  refuseRepeated(program);
  return program;
}

/** Of an option that is given twice, all but the last value would be dropped without a word. */
function refuseRepeated(command: Command): void {
  for (const option of command.options.filter((one) => one.required && !repeatable.has(one.name()))) {
    let isGiven = false;
    command.on(`option:${option.name()}`, () => {
      if (isGiven) command.error(`error: option '${option.flags}' is given twice`);
      isGiven = true;
    });
  }
  command.commands.forEach(refuseRepeated);
}

/** The output has one form: a script that asks for two would get a file of the other one. */
function refuseTwoForms(program: Command, command: Command): void {
  if (program.opts()["json"] !== true || command.opts()["csv"] !== true) return;
  command.error("error: option '--csv' cannot be used with option '--json'");
}

/** The group of the command that the arguments name; all of them for help, and for a word that is no command's. */
function groupsFor(args: readonly string[]): typeof groups {
  const name = args.find((arg) => !arg.startsWith("-")) ?? "";
  const named = groups.filter(({ names }) => names.includes(name));
  return named.length > 0 ? named : groups;
}

async function settle(surroundings: Surroundings, command: CommandWork): Promise<Outcome> {
  try {
    return await withTools(surroundings, command);
  } catch (error) {
    return { kind: "failed", message: describeFailure(error) };
  }
}

async function onSchema(tools: CommandTools, command: CommandWork): Promise<Outcome> {
  const missing = await missingMigrations(tools.db);
  if (missing.length === 0) return command(tools);
  const message = `the database lacks migrations (${missing.join(", ")}): run \`node dist/migrate.js\` first`;
  return { kind: "failed", message };
}

function tell(outcome: Outcome, { writeOut, writeErr }: Surroundings, { isJson }: { isJson: boolean }): void {
  switch (outcome.kind) {
    case "done":
    case "alarming":
      return writeOut(endLine(isJson ? JSON.stringify(outcome.document, null, 2) : outcome.text));
    case "failed":
    case "wrong_usage":
      return writeErr(`error: ${outcome.message}\n`);
  }
}

/** CSV ends its last line itself, as all others: what reads it takes one kind of line ending. */
function endLine(text: string): string {
  return text.endsWith("\n") ? text : `${text}\n`;
}
