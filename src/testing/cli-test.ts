import { z } from "zod";
import { environments } from "../config.ts";
import { runCommandLine } from "../ops/cli/run-command-line.ts";
import { meterEventsTest } from "./meter-events-test.ts";
import { workerEnvironment } from "./worker-config.ts";

/** A variable that is empty counts as unset, as in a process. */
export type CliOptions = { environment?: Record<string, string>; now?: () => Date };

const anyDocument = z.record(z.string(), z.unknown());

/** Vitest's `test` with the command line, run in-process on the test's database and its simulated Stripe. */
export const cliTest = meterEventsTest.extend("cli", async ({ database, account }) => {
  // What an operator does by the API's calls the command line does too, and so with the API's role.
  const databaseUrl = database.as("api").url;
  async function cli(args: readonly string[], { environment = {}, now }: CliOptions = {}) {
    const all = { ...workerEnvironment({ databaseUrl, account }), ...environment };
    const own = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ""));
    const written = { out: "", err: "" };
    const exitCode = await runCommandLine(args, {
      version: "1.2.3",
      readConfig: () => environments.cli.parse(own),
      readStripeConfig: () => environments.cliStripe.parse(own),
      now: now ?? (() => new Date()),
      writeOut: (text) => void (written.out += text),
      writeErr: (text) => void (written.err += text),
    });
    return { exitCode, ...written };
  }
  /** Runs a command that must succeed, and reads its one JSON document. */
  async function json(args: readonly string[], options?: CliOptions): Promise<Record<string, unknown>> {
    const { exitCode, out, err } = await cli([...args, "--json"], options);
    if (exitCode !== 0) throw new Error(`${args.join(" ")} ended with ${exitCode}: ${out}${err}`);
    return anyDocument.parse(JSON.parse(out));
  }
  return Object.assign(cli, { json });
});
