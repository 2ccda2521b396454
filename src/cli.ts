import { startProgram } from "./process/start-program.ts";

await startProgram(
  { name: "cli", kind: "command" },
  async () => (await import("./cli/cli-process.ts")).runCli,
);
