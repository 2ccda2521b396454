import { sql } from "kysely";
import { expect } from "vitest";
import { booksTest as test } from "../../testing/fixtures/books-fixture.ts";
import { ago, minuteMs } from "../../testing/rows/meter-events.ts";
import { readReconciliation } from "./read-reconciliation.ts";

const day = 24 * 60 * minuteMs;
const minute = (at: Date) => new Date(Math.floor(at.getTime() / minuteMs) * minuteMs);
const window = { start: minute(ago(10 * day)), end: minute(ago(day)) };

test("a customer who differs is counted until a wider window is equal", async ({ books, cli, database }) => {
  const db = database.as("api").db;
  await books.countTheirs({ at: ago(3 * day), quantity: 5 });
  await books.compare(window);
  expect(await readReconciliation(db)).toMatchObject({
    different: { temperature_readings: 1 },
    reads: 3,
    readsLeft: 997,
  });
  expect((await cli(["doctor"])).out).toMatch(
    /Stripe's sums +problem +differ for 1 customers in temperature_readings; 3 reads/,
  );

  await books.addOurs({ at: ago(3 * day), quantity: 5 });
  await books.compare({ ...window, end: minute(ago(day / 2)) });
  expect(await readReconciliation(db)).toMatchObject({ different: {} });
});

test("the oldest period that has ended and is not equal tells its age", async ({ books, cli, database }) => {
  const { db } = database;
  expect(await readReconciliation(db)).toMatchObject({ unreconciledSeconds: 0, readsLeft: null, reads: 0 });
  await sql`
    insert into metering.billing_periods (
      organization_id, period_start, period_end, stripe_customer_id, stripe_subscription_id, books
    )
    values
      (${books.organizationId}, now() - interval '60 days', now() - interval '50 days', 'cus_1', 'sub_1', 'open'),
      (${books.organizationId}, now() - interval '49 days', now() - interval '8 days', 'cus_1', 'sub_1', 'equal'),
      (${books.organizationId}, now() - interval '48 days', now() - interval '3 days', 'cus_1', 'sub_2', 'different')
  `.execute(db);

  const { unreconciledSeconds } = await readReconciliation(db);
  expect(Math.round(unreconciledSeconds / 3_600)).toBe(72);
  expect((await cli(["doctor"])).out).toMatch(
    /Stripe's sums +problem +a period that ended 72 h ago is not equal yet/,
  );
});

test("where no reads are allowed none are used up: an operator's are always made", async ({
  cli,
  database: { db },
}) => {
  await sql`insert into metering.reconcile_reads (day, reads, allowed) values ((now() at time zone 'UTC')::date, 3, 0)`.execute(
    db,
  );

  expect(await readReconciliation(db)).toMatchObject({ reads: 3, readsLeft: null });
  expect((await cli(["doctor", "--verbose"])).out).toMatch(
    /Stripe's sums +ok +no difference is known; 3 reads/,
  );
});

test("doubts open are those of outages and of reports", async ({ books, database: { db } }) => {
  await books.addOurs({ at: ago(day) }, { state: "in_doubt", delivered_at: null });
  await books.addOurs({ at: ago(day) }, { reconcile_since: new Date() });
  await books.addOurs({ at: ago(day) });
  expect(await readReconciliation(db)).toMatchObject({ inDoubt: 1, reported: 1 });
});
