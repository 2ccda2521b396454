import { expect } from "vitest";
import { databaseTest as test } from "../../testing/postgres/database-fixture.ts";
import { openThroughPooler } from "../../testing/postgres/transaction-pooler.ts";
import { checkSessions } from "./check-sessions.ts";

test("a pooler that gives each transaction another session is found", async ({ database: { url, db } }) => {
  const pooled = openThroughPooler(url);
  try {
    expect(await checkSessions(pooled.db)).toMatchObject({
      state: "problem",
      remedy: expect.stringContaining("session mode"),
    });
  } finally {
    await pooled.close();
  }
  expect(await checkSessions(db)).toMatchObject({ state: "ok" });
});
