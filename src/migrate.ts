import { startProgram } from "./process/start-program.ts";

await startProgram(
  { name: "migrate", kind: "command" },
  async () => (await import("./migrate/migrate-process.ts")).runMigrate,
);
