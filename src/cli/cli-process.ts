import { readFile } from "node:fs/promises";
import { z } from "zod";
import { readCliConfig, readCliStripeConfig } from "../config.ts";
import { runCommandLine } from "./run-command-line.ts";

const packageSchema = z.object({ version: z.string() });

/** Runs the command that the process's arguments name; its outcome is the exit code. */
export async function runCli(): Promise<void> {
  // A closed pipe (`| head`) is no error.
  process.stdout.on("error", () => process.exit());

  process.exitCode = await runCommandLine(process.argv.slice(2), {
    version: await readVersion(),
    readConfig: readCliConfig,
    readStripeConfig: readCliStripeConfig,
    now: () => new Date(),
    writeOut: (text) => process.stdout.write(text),
    writeErr: (text) => process.stderr.write(text),
  });
}

/** The version of the package that this program is a part of, in `src/` or in `dist/`. */
async function readVersion(): Promise<string> {
  const written = await readFile(new URL("../../package.json", import.meta.url), "utf8");
  return packageSchema.parse(JSON.parse(written)).version;
}
