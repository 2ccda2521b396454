import { test } from "vitest";
import { createTestDatabase } from "./test-database.ts";

/** Vitest's `test` with a `database` for each test that asks for one: its own, and dropped in any case. */
export const databaseTest = test.extend("database", async ({ task }, { onCleanup }) => {
  const database = await createTestDatabase({ applicationName: task.name });
  onCleanup(database.drop);
  return database;
});
