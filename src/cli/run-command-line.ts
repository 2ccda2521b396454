import { Command, CommanderError } from "commander";
import { missingMigrations } from "../migrate/migrations.ts";
import { type CommandTools, type Surroundings, withTools } from "./command-tools.ts";
import { describeFailure } from "./describe-failure.ts";
import { addCountSensorsCommand } from "./count-sensors-command.ts";
import { addCutOverCommand } from "./cut-over-command.ts";
import { addDoctorCommand } from "./doctor-command.ts";
import { addDropPartitionsCommand } from "./drop-partitions-command.ts";
import { addEventsCommands } from "./events-commands.ts";
import { addExplainCommand } from "./explain-command.ts";
import { addKeyCommands } from "./key-commands.ts";
import { addOrganizationCommands } from "./organization-commands.ts";
import { addOutboxCommands } from "./outbox-commands.ts";
import type { Outcome } from "./outcome.ts";
import { addReconcileCommand } from "./reconcile-command.ts";
import type { CommandWork, Run } from "./run.ts";
import { addSensorsCommand } from "./sensors-command.ts";
import { addStatementCommand } from "./statement-command.ts";
import { addStripeCommands } from "./stripe-commands.ts";
import { addUsageCommand } from "./usage-command.ts";
import { addWebhooksCommands } from "./webhooks-commands.ts";

const exitCodes = { done: 0, alarming: 1, failed: 1, wrong_usage: 2 } as const satisfies Record<
  Outcome["kind"],
  number
>;

/**
 * Runs the command that the arguments name and returns the exit code: 0 done, 1 failed, 2 wrong usage. Never throws for
 * an error of a command.
 */
export async function runCommandLine(args: readonly string[], surroundings: Surroundings): Promise<number> {
  let exitCode: number = exitCodes.done;
  const program = createProgram(surroundings, async (command, { evenWithoutSchema } = neverWithout) => {
    const outcome = await settle(surroundings, (tools) =>
      evenWithoutSchema ? command(tools) : onSchema(tools, command),
    );
    tell(outcome, surroundings, { isJson: program.opts()["json"] === true });
    exitCode = exitCodes[outcome.kind];
  });
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? exitCodes.done : exitCodes.wrong_usage;
  }
  return exitCode;
}

const neverWithout = { evenWithoutSchema: false };

function createProgram({ version, writeOut, writeErr }: Surroundings, run: Run): Command {
  const program = new Command("meter-outbox")
    .description(
      "The operator's commands. They work on the database itself, whether the service runs or not.",
    )
    .version(version)
    .option("--json", "print one JSON document")
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeOut, writeErr })
    .exitOverride()
    .addHelpText("after", "\nExit code: 0 done, 1 failed, 2 wrong usage, 78 bad environment.");
  addOrganizationCommands(program, run);
  addKeyCommands(program, run);
  addOutboxCommands(program, run);
  addEventsCommands(program, run);
  addUsageCommand(program, run);
  addReconcileCommand(program, run);
  addStatementCommand(program, run);
  addSensorsCommand(program, run);
  addWebhooksCommands(program, run);
  addExplainCommand(program, run);
  addCountSensorsCommand(program, run);
  addCutOverCommand(program, run);
  addDropPartitionsCommand(program, run);
  addStripeCommands(program, run);
  addDoctorCommand(program, run);
  return program;
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
      return writeOut(`${isJson ? JSON.stringify(outcome.document, null, 2) : outcome.text}\n`);
    case "failed":
    case "wrong_usage":
      return writeErr(`error: ${outcome.message}\n`);
  }
}
