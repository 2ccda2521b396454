import { readFile } from "node:fs/promises";
import { z } from "zod";
import { readCliConfig, readCliStripeConfig } from "../config.ts";
import { runCommandLine } from "./run-command-line.ts";

const packageSchema = z.object({ version: z.string() });

/** Runs the command that the process's arguments name; its outcome is the exit code. */
export async function runCli(): Promise<void> {
  process.stdout.on("error", endWithoutOutput);
  // A message that cannot be told changes nothing of the outcome.
  process.stderr.on("error", () => {});

  process.exitCode = await runCommandLine(process.argv.slice(2), {
    version: await readVersion(),
    readConfig: readCliConfig,
    readStripeConfig: readCliStripeConfig,
    now: () => new Date(),
    writeOut: (text) => process.stdout.write(text),
    writeErr: (text) => process.stderr.write(text),
  });
}

/** A reader that has seen enough (`| head`) is no failure, but output that is lost is: a disk may be full. */
function endWithoutOutput(error: NodeJS.ErrnoException): never {
  if (error.code === "EPIPE") process.exit();
  process.stderr.write(`error: the output could not be written: ${error.message}\n`);
  process.exit(1);
}

/** The version of the package that this program is a part of, in `src/` or in `dist/`. */
async function readVersion(): Promise<string> {
  const written = await readFile(new URL("../../package.json", import.meta.url), "utf8");
  return packageSchema.parse(JSON.parse(written)).version;
}
