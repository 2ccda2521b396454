import { defineConfig } from "vitest/config";

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
        },
      },
      {
        test: {
          name: "db",
          include: ["src/**/*.db.test.ts"],
          globalSetup: ["src/testing/global-setup.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          // A condition is waited for, however slow the machine; the usual second is the clock's mercy.
          expect: { poll: { timeout: 30_000 } },
        },
      },
    ],
  },
});
