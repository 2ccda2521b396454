import { defineConfig } from "vitest/config";
import { patienceMs } from "./src/testing/processes/patience.ts";

const timeoutMs = patienceMs(60_000);
const patience = {
  testTimeout: timeoutMs,
  hookTimeout: timeoutMs,
  expect: { poll: { timeout: patienceMs(30_000) } },
};

export default defineConfig({
  test: {
    // Most tests wait for Postgres, not for the processor.
    maxWorkers: 4,
    projects: [
      {
        test: {
          name: "unit",
          include: ["src/**/*.test.ts", "scripts/**/*.test.ts"],
          exclude: ["**/*.db.test.ts"],
          // Loading everything anew for each file is two thirds of the processor time, and no module here holds state.
          isolate: false,
          restoreMocks: true,
          ...patience,
        },
      },
      {
        test: {
          name: "db",
          include: ["src/**/*.db.test.ts"],
          globalSetup: ["src/testing/postgres/global-setup.ts", "src/testing/processes/programs-setup.ts"],
          // As above: without it a database suite takes a third less of the processor.
          isolate: false,
          restoreMocks: true,
          ...patience,
        },
      },
    ],
  },
});
