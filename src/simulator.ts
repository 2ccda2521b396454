import { startProgram } from "./process/start-program.ts";

await startProgram(
  { name: "simulator", kind: "service" },
  async () => (await import("./simulator/simulator-process.ts")).runSimulator,
);
