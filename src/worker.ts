import { startProgram } from "./process/start-program.ts";

await startProgram(
  { name: "worker", kind: "service" },
  async () => (await import("./worker/worker-process.ts")).runWorker,
);
