import { sql } from "kysely";
import { expect } from "vitest";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { type Cause, limitOf, notePutOff, readBudget, takeRead } from "./budget.ts";

const budget = { perDay: 10, evidencePerDay: 40 };

test("workers that ask at once get exactly as many reads as the day has", async ({ database }) => {
  const { db } = database.as("worker");
  const taken = await Promise.all(Array.from({ length: 30 }, () => takeRead(db, "routine", budget)));

  expect(taken.filter(Boolean)).toHaveLength(5);
});

test("evidence goes on where the routine has to stop, and an operator is never refused", async ({
  database,
}) => {
  const { db } = database.as("worker");
  const takeAll = async (cause: Cause) => {
    let reads = 0;
    while (reads < 100 && (await takeRead(db, cause, budget))) reads += 1;
    return reads;
  };

  expect(await takeAll("routine")).toBe(5);
  expect(await takeAll("report")).toBe(3);
  expect(await takeAll("doubt")).toBe(32);
  expect(await takeAll("close")).toBe(0);
  expect(await takeAll("operator")).toBe(100);
  expect(await takeAll("routine")).toBe(0);
});

test("a budget of 0 leaves reads to operators alone", async ({ database }) => {
  const { db } = database.as("worker");
  const none = await readBudget(db, 0);

  expect(await takeRead(db, "routine", none)).toBe(false);
  expect(await takeRead(db, "close", none)).toBe(false);
  expect(await takeRead(db, "operator", none)).toBe(true);
});

test("what an operator sets holds for every cause but the operator's own", async ({ database }) => {
  const set = await readBudget(database.db, 100);
  expect(
    (["routine", "report", "doubt", "close", "operator", "restore"] as const).map((cause) =>
      limitOf(cause, set),
    ),
  ).toEqual([50, 75, 100, 100, null, null]);
});

test("unless told, a day has a twentieth of Stripe's quota, and evidence what 30 days have left", async ({
  database: { db },
}) => {
  expect(await readBudget(db, undefined)).toEqual({ perDay: 16, evidencePerDay: 500 });

  await sql`
    insert into metering.reconcile_reads (day, reads)
    select (now() at time zone 'UTC')::date - days, 10 from generate_series(0, 35) as days
  `.execute(db);
  expect(await readBudget(db, undefined)).toEqual({ perDay: 16, evidencePerDay: 500 - 29 * 10 });

  for (let count = 0; count < 24; count += 1) await addOrganization(db, { customer: `cus_${count}` });
  expect(await readBudget(db, undefined)).toMatchObject({ perDay: 20, evidencePerDay: 600 - 29 * 10 });
});

test("what is put off is told once a day, by the largest number", async ({ database }) => {
  const { db } = database.as("worker");
  expect(await notePutOff(db, 3)).toBe(true);
  expect(await notePutOff(db, 7)).toBe(false);
  expect(await notePutOff(db, 1)).toBe(false);

  expect(await db.selectFrom("reconcile_reads").select(["reads", "put_off"]).execute()).toEqual([
    { reads: 0, put_off: 7 },
  ]);
});
