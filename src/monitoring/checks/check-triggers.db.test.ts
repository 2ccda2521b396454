import { sql } from "kysely";
import { expect } from "vitest";
import { databaseTest as test } from "../../testing/postgres/database-fixture.ts";
import { checkTriggers } from "./check-triggers.ts";

test("all triggers run in a migrated database", async ({ database: { db } }) => {
  expect(await checkTriggers(db)).toMatchObject({ state: "ok" });
});

test("triggers that were left disabled are named", async ({ database: { db } }) => {
  await sql`alter table metering.subscriptions disable trigger customer_linked`.execute(db);

  expect(await checkTriggers(db)).toMatchObject({
    state: "problem",
    detail: "disabled: customer_linked of metering.subscriptions",
  });
});
