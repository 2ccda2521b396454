import { sql } from "kysely";
import { expect } from "vitest";
import type { Trx } from "../database/db.ts";
import { listInvoicesOf, listPeriods } from "../reconciliation/close/billing-periods.ts";
import { countWaitingForLocks } from "../testing/postgres/locks.ts";
import { until } from "../testing/processes/until.ts";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { addOrganization, linkCustomer } from "../testing/rows/organizations.ts";
import { adoptInvoice } from "./adopt-invoice.ts";

const start = new Date("2026-03-01T00:00:00Z");
const day = (days: number) => new Date(start.getTime() + days * 86_400_000);

/** Adopts a paid invoice of readings from the start to a day. */
function adopt(trx: Trx, { id, until: end }: { id: string; until: Date }, second: number) {
  const readBeganAt = new Date(Date.UTC(2026, 3, 1, 0, 0, second)).toISOString();
  return adoptInvoice(trx, {
    invoiceId: id,
    customerId: "cus_1",
    readBeganAt,
    invoice: {
      id,
      customerId: "cus_1",
      subscriptionId: `sub_of_${id}`,
      billingReason: "subscription_cycle",
      status: "paid",
      createdAt: end,
      finalizesAt: null,
      finalizedAt: end,
      paidAt: end,
      periodStart: start,
      periodEnd: end,
    },
    usage: { start, end, shortest: { start, end }, invoiced: { temperature_readings: "4" }, billedTwice: [] },
  });
}

test("an invoice whose period another one made since it was looked for gets no second one", async ({
  database: { db },
}) => {
  const organizationId = await addOrganization(db);
  await linkCustomer(db, organizationId, { customer: "cus_1" });
  await sql`delete from metering.billing_periods`.execute(db);
  const { promise: mayGoOn, resolve: goOn } = Promise.withResolvers<void>();
  const { promise: hasLooked, resolve: tellLooked } = Promise.withResolvers<void>();
  const slow = db.transaction().execute((trx) =>
    adopt(
      trx.withPlugin({
        transformQuery: ({ node }) => node,
        transformResult: async ({ result }) => {
          if (result.rows.length === 0) tellLooked();
          if (result.rows.length === 0) await mayGoOn;
          return result;
        },
      }),
      { id: "in_1", until: day(30) },
      2,
    ),
  );
  await hasLooked;
  await db.transaction().execute((trx) => adopt(trx, { id: "in_1", until: day(30) }, 1));
  goOn();
  await slow;

  const periods = await listPeriods(db, organizationId, { before: undefined, limit: 9 });
  expect(periods).toMatchObject([{ start, end: day(30) }]);
});

test.for([
  {
    what: "one invoice, read by two at once, has one period",
    invoices: [
      { id: "in_1", until: day(30) },
      { id: "in_1", until: day(30) },
    ],
    told: [[start, day(30), ["in_1"]]],
  },
  {
    what: "two invoices that begin together, adopted at once, have a period each",
    invoices: [
      { id: "in_1", until: day(30) },
      { id: "in_2", until: day(7) },
    ],
    told: [
      [new Date(start.getTime() + 1), day(7), ["in_2"]],
      [start, day(30), ["in_1"]],
    ],
  },
])("$what", async ({ invoices: [first, second], told }, { database: { db, pool } }) => {
  if (first === undefined || second === undefined) throw new Error("two invoices are wanted");
  const organizationId = await addOrganization(db);
  await linkCustomer(db, organizationId, { customer: "cus_1" });
  await sql`delete from metering.billing_periods`.execute(db);
  const { promise: mayCommit, resolve: commit } = Promise.withResolvers<void>();
  const { promise: isAdopted, resolve: tellAdopted } = Promise.withResolvers<void>();
  const one = db.transaction().execute(async (trx) => {
    const adopted = await adopt(trx, first, 1);
    tellAdopted();
    await mayCommit;
    return adopted;
  });
  await isAdopted;
  const other = db.transaction().execute((trx) => adopt(trx, second, 2));
  await until(async () => (await countWaitingForLocks(pool)) > 0, { what: "the other one to wait" });
  commit();

  expect(await Promise.all([one, other])).toEqual(["invoice_noted", "invoice_noted"]);
  const periods = await listPeriods(db, organizationId, { before: undefined, limit: 9 });
  const invoices = await listInvoicesOf(db, { organizationId, times: periods });
  expect(
    periods.map((period, place) => [period.start, period.end, invoices[place]?.map(({ id }) => id)]),
  ).toEqual(told);
});
