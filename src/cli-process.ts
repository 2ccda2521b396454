import { readCliConfig, readCliStripeConfig } from "./config.ts";
import { runCommandLine } from "./ops/cli/run-command-line.ts";

/** Runs the command that the process's arguments name; its outcome is the exit code. */
export async function runCli(): Promise<void> {
  // The reader of our output may have seen enough, as `head` has.
  process.stdout.on("error", () => process.exit());

  process.exitCode = await runCommandLine(process.argv.slice(2), {
    readConfig: readCliConfig,
    readStripeConfig: readCliStripeConfig,
    now: () => new Date(),
    writeOut: (text) => process.stdout.write(text),
    writeErr: (text) => process.stderr.write(text),
  });
}
