import { sql } from "kysely";
import { expect } from "vitest";
import { adoptInvoice } from "../billing/adopt-invoice.ts";
import { adoptSubscription } from "../billing/adopt-subscription.ts";
import type { Db } from "../database/db.ts";
import { addMonths, startOfMonth } from "../database/months.ts";
import { countWaitingForLocks, holdOpen } from "../testing/postgres/locks.ts";
import { databaseTest } from "../testing/postgres/database-fixture.ts";
import { until } from "../testing/processes/until.ts";
import { addOrganization, linkCustomer } from "../testing/rows/organizations.ts";
import { listDueRunning, openCalendarMonths, takeRunningPeriod } from "./running-periods.ts";
import { dayMs, hourMs, type Span } from "./windows.ts";

const customer = "cus_month";
const subscriptionId = "sub_old";
const month = startOfMonth(new Date());
const lastMonth = addMonths(month, -1);
/** It began before this month, and runs. */
const told = { start: new Date(month.getTime() - 10 * dayMs), end: new Date(Date.now() + hourMs) };

/** Vitest's `test` with an organization whose customer has no subscription of ours yet. */
const test = databaseTest.extend("months", async ({ database }) => {
  const { db } = database;
  const worker = database.as("worker").db;
  const organizationId = await addOrganization(db, { customer });
  /** A row as `openCalendarMonths` made it in an earlier month. */
  const addMonth = ({ start, end }: Span) =>
    db
      .insertInto("billing_periods")
      .values({
        organization_id: organizationId,
        period_start: start,
        period_end: end,
        stripe_customer_id: customer,
      })
      .execute();
  return {
    organizationId,
    addMonth,
    open: () => openCalendarMonths(worker),
    take: async () => {
      const [due] = (await listDueRunning(worker)).found;
      return due && takeRunningPeriod(worker, due, { leaseSeconds: 60 });
    },
    /** As a webhook does when a meter's item was added to a subscription that runs. */
    tell: ({ start, end }: Span) =>
      worker.transaction().execute((trx) =>
        adoptSubscription(trx, {
          customerId: customer,
          chosen: { id: subscriptionId, status: "active", periodStart: start, periodEnd: end },
          billed: [{ from: start, until: null }],
          otherBounds: [],
          subscriptionIds: [subscriptionId],
          readBeganAt: new Date().toISOString(),
        }),
      ),
    /** As a webhook does with that subscription's invoice. */
    invoice: ({ start, end }: Span) =>
      worker.transaction().execute((trx) =>
        adoptInvoice(trx, {
          invoiceId: "in_1",
          customerId: customer,
          readBeganAt: new Date().toISOString(),
          invoice: {
            id: "in_1",
            customerId: customer,
            subscriptionId,
            billingReason: "subscription_cycle",
            status: "paid",
            createdAt: end,
            finalizesAt: null,
            finalizedAt: end,
            paidAt: end,
            periodStart: start,
            periodEnd: end,
          },
          usage: {
            start,
            end,
            shortest: { start, end },
            invoiced: { temperature_readings: "5" },
            billedTwice: [],
          },
        }),
      ),
    periods: () => readPeriods(db, organizationId),
  };
});

test("a calendar month gives way to the period that a subscription from before it tells later", async ({
  months,
}) => {
  await months.addMonth({ start: lastMonth, end: month });
  await months.open();

  await months.tell(told);
  await months.open();

  expect(await months.periods()).toEqual([
    { customer, start: lastMonth, end: told.start },
    { customer, ...told },
  ]);
});

test("where no calendar month can be made, a run gives up after ten faults, and tells them", async ({
  months,
  database: { db },
}) => {
  for (let n = 0; n < 11; n += 1) await addOrganization(db, { customer: `cus_${n}` });
  await sql`alter table metering.billing_periods add constraint refused check (period_start is null) not valid`.execute(
    db,
  );

  const faults = await months.open();

  expect(faults).toHaveLength(10);
  expect(String(faults[0])).toMatch(/constraint "refused/);
  await sql`alter table metering.billing_periods drop constraint refused`.execute(db);
  expect(await months.open()).toEqual([]);
  const { rows } = await sql`select from metering.billing_periods`.execute(db);
  expect(rows).toHaveLength(12);
});

test("calendar months inside a longer period that is told later are part of it", async ({ months }) => {
  await months.addMonth({ start: lastMonth, end: month });
  await months.open();
  const year = { start: new Date(lastMonth.getTime() - dayMs), end: addMonths(month, 11) };

  await months.tell(year);

  expect(await months.periods()).toEqual([{ customer, ...year }]);
});

test("a period that an operator told wrongly gives way to the same subscription's, told by Stripe", async ({
  months,
  database: { db },
}) => {
  await months.tell(told);
  await linkCustomer(db, months.organizationId, { customer, periodStart: month, periodEnd: told.end });

  await months.tell(told);

  expect(await months.periods()).toEqual([{ customer, ...told }]);
});

test("a period of the customer before does not end where that of the next one begins", async ({
  months,
  database: { db },
}) => {
  const ofNext = { start: new Date(month.getTime() - 5 * dayMs), end: addMonths(month, 1) };
  await months.tell(told);

  await linkCustomer(db, months.organizationId, {
    customer: "cus_next",
    periodStart: ofNext.start,
    periodEnd: ofNext.end,
  });

  expect(await months.periods()).toEqual([
    { customer, ...told },
    { customer: "cus_next", ...ofNext },
  ]);
});

test("an invoice of a subscription that no event told of bills its own time, and not that of a calendar month", async ({
  months,
  database: { db },
}) => {
  await months.addMonth({ start: lastMonth, end: month });
  await months.open();

  await months.invoice(told);

  expect(await months.periods()).toEqual([
    { customer, start: lastMonth, end: told.start },
    { customer, ...told },
  ]);
  const billed = await db.selectFrom("billing_invoices").select("period_start").execute();
  expect(billed).toEqual([{ period_start: told.start }]);
});

test("a period that has an invoice stays, whatever is told later", async ({ months }) => {
  const invoiced = { start: month, end: told.end };
  await months.addMonth(invoiced);
  await months.invoice(invoiced);

  await months.tell(told);

  expect(await months.periods()).toEqual([
    { customer, ...told },
    { customer, ...invoiced },
  ]);
});

test("a calendar month begins where the customer's last known period ended", async ({
  months,
  database: { db },
}) => {
  const ended = { start: told.start, end: new Date(Date.now() - 1_000) };
  await linkCustomer(db, months.organizationId, {
    customer,
    periodStart: ended.start,
    periodEnd: ended.end,
  });
  await linkCustomer(db, months.organizationId, { customer });

  await months.open();

  const start = ended.end > month ? ended.end : month;
  expect(await months.periods()).toEqual([
    { customer, ...ended },
    { customer, start, end: addMonths(month, 1) },
  ]);
});

test("a calendar month is opened beside that of the customer before, a millisecond later", async ({
  months,
  database: { db },
}) => {
  await months.open();
  await linkCustomer(db, months.organizationId, { customer: "cus_next" });

  await months.open();
  await months.open();

  const end = addMonths(month, 1);
  expect(await months.periods()).toEqual([
    { customer, start: month, end },
    { customer: "cus_next", start: new Date(month.getTime() + 1), end },
  ]);
});

test("a period that ended and is then told to run on is compared again, and looked at when it ends", async ({
  months,
  database: { db },
}) => {
  await months.tell({ start: told.start, end: new Date(Date.now() - 1_000) });
  expect(await months.take()).toBeUndefined();
  await db.updateTable("billing_periods").set({ next_look_at: new Date() }).execute();

  await months.tell(told);

  expect(await months.take()).toMatchObject({ customer, ...told });
  expect(await db.selectFrom("billing_periods").select("next_look_at").execute()).toEqual([
    { next_look_at: null },
  ]);
});

test("an invoice stays with the period that it was noted with, though another one would fit it now", async ({
  months,
  database: { db },
}) => {
  const noted = { start: lastMonth, end: month };
  await months.addMonth(noted);
  await db
    .insertInto("billing_invoices")
    .values({
      organization_id: months.organizationId,
      invoice_id: "in_1",
      period_start: lastMonth,
      stripe_customer_id: customer,
      stripe_subscription_id: subscriptionId,
      status: "draft",
      invoiced: {},
      created_at: told.end,
      read_began_at: lastMonth,
    })
    .execute();

  await months.invoice(told);

  expect(await months.periods()).toEqual([{ customer, ...noted }]);
  expect(await db.selectFrom("billing_periods").select("closed_at").execute()).toEqual([
    { closed_at: expect.any(Date) },
  ]);
});

test("two workers that open calendar months at once open one", async ({ months, database: { db, pool } }) => {
  const release = await holdOpen(
    pool,
    "select from metering.subscriptions where organization_id = $1 for update",
    [months.organizationId],
  );
  const opened = [months.open(), months.open()];
  await until(async () => (await countWaitingForLocks(pool)) === 2, { what: "both to wait" });
  await release();

  expect(await Promise.all(opened)).toEqual([[], []]);
  expect(await db.selectFrom("billing_periods").select("period_start").execute()).toEqual([
    { period_start: month },
  ]);
});

test("a period that is told while calendar months are opened keeps its customer from one", async ({
  months,
  database: { pool },
}) => {
  const teller = await pool.connect();
  await teller.query("begin");
  await teller.query("update metering.subscriptions set current_period_start = $1, current_period_end = $2", [
    told.start,
    told.end,
  ]);
  let isOpened = false;
  const opened = months.open().then(() => (isOpened = true));
  await until(async () => isOpened || (await countWaitingForLocks(pool)) > 0, {
    what: "months to be opened",
  });
  await teller.query("commit");
  teller.release();
  await opened;

  expect(await months.periods()).toEqual([{ customer, ...told }]);
});

async function readPeriods(db: Db, organizationId: string): Promise<(Span & { customer: string })[]> {
  return db
    .selectFrom("billing_periods")
    .select(["stripe_customer_id as customer", "period_start as start", "period_end as end"])
    .where("organization_id", "=", organizationId)
    .orderBy("period_start")
    .execute();
}
