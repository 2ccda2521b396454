import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { readReconciliation } from "../monitoring/metrics/read-reconciliation.ts";
import { movedBack } from "../testing/rows/moved-back.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { addMeterEvent } from "../testing/rows/meter-events.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { booksTest } from "../testing/fixtures/books-fixture.ts";
import type { ReconcileSettings } from "./reconcile-deps.ts";
import { reconcile } from "./reconcile-job.ts";
import { dayMs, floorTo, hourMs } from "./windows.ts";

const usual: ReconcileSettings = {
  readsPerDay: 1_000,
  settleSeconds: 900,
  absenceSeconds: 3_600,
  gate: { mode: "off", marginMinutes: 20 },
  lateUsage: "report",
};
const daysAgo = (days: number) => new Date(Date.now() - days * dayMs);

const test = booksTest.extend("routine", ({ books, boss }) => {
  const { log, events } = createRecordingLog();
  return {
    log: events,
    run: (changes: Partial<ReconcileSettings> = {}) =>
      reconcile(
        { ...books.deps, boss, log, stripeNowMs: Date.now, askedInVain: new Map() },
        { ...usual, ...changes },
      ),
    told: (name: string) => events.filter(({ event }) => event === name),
  };
});

test("a running period is compared once a day, with one read a meter that has usage", async ({
  routine,
  books,
  database: { db },
}) => {
  await books.addBoth({ at: daysAgo(3), quantity: 5 });
  await routine.run();
  await routine.run();
  expect(books.readsMade()).toBe(1);

  await becomeDue(db);
  await routine.run();
  expect(books.readsMade()).toBe(2);
  const looks = await db.selectFrom("reconciliations").selectAll().execute();
  expect(looks).toMatchObject([
    { result: "equal", cause: "routine" },
    { result: "equal", cause: "routine" },
  ]);
  expect(looks[0]?.window_end.getTime()).toBeLessThanOrEqual(Date.now() - 900_000);
});

test("it ends before the first hour with usage that is not settled", async ({
  routine,
  books,
  database: { db },
}) => {
  await books.addBoth({ at: daysAgo(5), quantity: 5 });
  const at = daysAgo(2);
  await books.addOurs({ at, quantity: 7 }, { state: "pending", delivered_at: null });
  await books.addBoth({ at: daysAgo(1), quantity: 9 });

  await routine.run();

  expect(await db.selectFrom("reconciliations").selectAll().execute()).toMatchObject([
    { result: "equal", ours: "5", window_end: floorTo(at, hourMs) },
  ]);
});

test("usage that Stripe lacks costs two more reads at first, and one for the second look", async ({
  routine,
  books,
  database: { db },
}) => {
  await books.addBoth({ at: daysAgo(5), quantity: 5 });
  const at = daysAgo(3);
  await books.addOurs({ at, quantity: 7 });
  await routine.run();
  expect(books.readsMade()).toBe(3);
  expect(routine.told("sums_differ")).toEqual([]);

  await books.passTime(3_700);
  await becomeDue(db);
  await routine.run();

  expect(books.readsMade()).toBe(4);
  expect(routine.told("sums_differ")).toMatchObject([
    {
      window_start: floorTo(at, hourMs).toISOString(),
      ours: "7",
      theirs: "0",
      meter: "temperature_readings",
    },
  ]);
});

test("a sum that only lagged is equal at the second look", async ({ routine, books, database: { db } }) => {
  const at = daysAgo(3);
  await books.addOurs({ at, quantity: 7 });
  await routine.run();
  await books.passTime(3_700);
  await books.countTheirs({ at, quantity: 7 });
  await becomeDue(db);
  await routine.run();
  await becomeDue(db);
  await routine.run();

  expect(routine.told("sums_differ")).toEqual([]);
  const looks = await db.selectFrom("reconciliations").selectAll().orderBy("id", "desc").execute();
  expect(looks[0]).toMatchObject({ result: "equal" });
  expect((looks[0]?.window_end.getTime() ?? 0) - (looks[0]?.window_start.getTime() ?? 0)).toBeGreaterThan(
    dayMs,
  );
});

test("what the budget does not reach is told once, and has its turn on the next day", async ({
  routine,
  books,
  account,
  database: { db },
}) => {
  await books.addBoth({ at: daysAgo(3), quantity: 5 });
  const { id: customer } = await account.stripe.customers.create({});
  const period = { periodStart: daysAgo(20), periodEnd: daysAgo(-10) };
  const second = await addOrganization(db, { customer, ...period });
  const settled = { attempts_started: 1, attempts_finished: 1, state: "delivered", delivered_at: daysAgo(2) };
  await addMeterEvent(db, {
    organization_id: second,
    stripe_customer_id: customer,
    event_at: daysAgo(4),
    ...settled,
  });

  for (const _ of [1, 2, 3]) await routine.run({ readsPerDay: 2 });

  expect(books.readsMade()).toBe(1);
  expect(routine.told("reconcile_put_off")).toMatchObject([{ customers: 1 }]);

  await sql`update metering.reconcile_reads set day = day - 1`.execute(db);
  await routine.run({ readsPerDay: 8 });
  const compared = await db.selectFrom("reconciliations").select("organization_id").distinct().execute();
  expect(compared.map((row) => row.organization_id).toSorted()).toEqual(
    [books.organizationId, second].toSorted(),
  );
});

test("a budget that an operator raises counts at once, though nothing is read", async ({
  routine,
  books,
  database: { db },
}) => {
  await books.addBoth({ at: daysAgo(3), quantity: 5 });
  await routine.run({ readsPerDay: 2 });
  expect(await readReconciliation(db)).toMatchObject({ reads: 1, readsLeft: 1 });

  await routine.run({ readsPerDay: 100 });
  expect(await readReconciliation(db)).toMatchObject({ reads: 1, readsLeft: 99 });
});

test("a customer whom Stripe does not know stops no other", async ({ routine, books, database: { db } }) => {
  const period = { periodStart: daysAgo(20), periodEnd: daysAgo(-10) };
  const lost = await addOrganization(db, { customer: "cus_lost", ...period });
  const delivered = {
    attempts_started: 1,
    attempts_finished: 1,
    state: "delivered",
    delivered_at: daysAgo(2),
  };
  await addMeterEvent(db, {
    organization_id: lost,
    stripe_customer_id: "cus_lost",
    event_at: daysAgo(4),
    ...delivered,
  });
  await sql`update metering.billing_periods set routine_at = ${movedBack("routine_at", sql`interval '1 day'`)} where organization_id = ${lost}`.execute(
    db,
  );
  await books.addBoth({ at: daysAgo(3), quantity: 5 });

  await routine.run();

  expect(routine.told("reconcile_read_refused")).toMatchObject([{ stripe_customer_id: "cus_lost" }]);
  expect(await db.selectFrom("reconciliations").select("result").execute()).toEqual([{ result: "equal" }]);
});

test("while Stripe answers nothing the run fails, and the period is compared later", async ({
  routine,
  books,
  account,
  database: { db },
}) => {
  await books.addBoth({ at: daysAgo(3), quantity: 5 });
  account.simulator.addFault({ kind: "status", status: 429, path: "/v1/billing/meters/", times: 1 });

  await expect(routine.run()).rejects.toThrow("routine: Stripe answered 429");
  await becomeDue(db);
  await routine.run();

  expect(await db.selectFrom("reconciliations").select("result").execute()).toEqual([{ result: "equal" }]);
});

test("a customer without a told period has the calendar month", async ({ routine, database: { db } }) => {
  const organization = await addOrganization(db, { customer: "cus_month" });
  await routine.run();

  const now = new Date();
  expect(
    await db.selectFrom("billing_periods").selectAll().where("organization_id", "=", organization).execute(),
  ).toMatchObject([
    {
      period_start: new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth())),
      period_end: new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1)),
    },
  ]);
});

test("a customer whom no worker has read yet has no calendar month beside the period that Stripe tells then", async ({
  routine,
  database: { db },
}) => {
  const organization = await addOrganization(db, { customer: "cus_unread" });
  const subscription = db.updateTable("subscriptions").where("organization_id", "=", organization);
  await subscription.set({ read_wanted_at: new Date() }).execute();
  await routine.run();

  const told = { current_period_start: daysAgo(40), current_period_end: daysAgo(-1) };
  await subscription.set({ ...told, read_wanted_at: null }).execute();
  await routine.run();

  const periods = db.selectFrom("billing_periods").where("organization_id", "=", organization);
  expect(await periods.select(["period_start", "period_end"]).execute()).toEqual([
    { period_start: told.current_period_start, period_end: told.current_period_end },
  ]);
});

async function becomeDue(db: Db): Promise<void> {
  await sql`update metering.billing_periods set routine_at = now() - interval '1 second'`.execute(db);
}
