import { startProgram } from "./process/start-program.ts";

await startProgram(
  { name: "api", kind: "service" },
  async () => (await import("./api/api-process.ts")).runApi,
);
