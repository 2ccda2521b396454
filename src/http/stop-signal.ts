import { once } from "node:events";

/** Waits for SIGTERM or SIGINT and returns its name. A second one ends the process at once, with exit code 1. */
export async function untilStopSignal(): Promise<string> {
  const name = await Promise.race([
    once(process, "SIGTERM").then(() => "SIGTERM"),
    once(process, "SIGINT").then(() => "SIGINT"),
  ]);
  process.on("SIGTERM", () => process.exit(1));
  process.on("SIGINT", () => process.exit(1));
  return name;
}
