import { runCommandLine } from "../../cli/run-command-line.ts";

/** Runs a command that may read no environment, as help and wrong usage. Tells its exit code and all that it wrote. */
export async function runWithoutEnvironment(
  args: readonly string[],
): Promise<{ exitCode: number; told: string }> {
  let told = "";
  const write = (text: string) => void (told += text);
  const unused = () => {
    throw new Error("the command read its environment");
  };
  const exitCode = await runCommandLine(args, {
    version: "1.2.3",
    readConfig: unused,
    readStripeConfig: unused,
    now: () => new Date(0),
    writeOut: write,
    writeErr: write,
  });
  return { exitCode, told };
}
