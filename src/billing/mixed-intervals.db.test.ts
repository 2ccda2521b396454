import { expect } from "vitest";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { adoptInvoice } from "./adopt-invoice.ts";
import { makePeriod } from "./make-period.ts";

const day = (days: number) => new Date(Date.UTC(2026, 9, 1 + days));

test("an invoice of prices with intervals of their own stands beside the period of the shortest, and one of longer ones beside none of these", async ({
  database: { db },
}) => {
  const organizationId = await addOrganization(db, { customer: "cus_1" });
  const of = { customer: "cus_1", subscriptionId: "sub_weekly" };
  for (const week of [0, 7, 14]) {
    await db
      .transaction()
      .execute((trx) => makePeriod(trx, { ...of, organizationId, start: day(week), end: day(week + 7) }));
  }
  const tell = (
    id: string,
    { from, to, shortestFrom = from }: Record<"from" | "to", number> & { shortestFrom?: number },
  ) =>
    db.transaction().execute((trx) =>
      adoptInvoice(trx, {
        invoiceId: id,
        customerId: "cus_1",
        readBeganAt: new Date().toISOString(),
        invoice: {
          id,
          customerId: "cus_1",
          subscriptionId: "sub_weekly",
          billingReason: "subscription_cycle",
          status: "paid",
          createdAt: day(to),
          finalizesAt: null,
          finalizedAt: day(to),
          paidAt: day(to),
          periodStart: day(from),
          periodEnd: day(to),
        },
        usage: {
          start: day(from),
          end: day(to),
          shortest: { start: day(shortestFrom), end: day(to) },
          invoiced: { temperature_readings: "5" },
          billedTwice: [],
        },
      }),
    );

  await tell("in_week", { from: 0, to: 7 });
  await tell("in_week_and_fortnight", { from: 0, to: 14, shortestFrom: 7 });
  await tell("in_three_weeks", { from: 0, to: 21 });

  const told = await db
    .selectFrom("billing_periods as p")
    .leftJoin("billing_invoices as i", (join) =>
      join
        .onRef("i.organization_id", "=", "p.organization_id")
        .onRef("i.period_start", "=", "p.period_start"),
    )
    .select(["p.period_start", "p.period_end", "i.invoice_id"])
    .orderBy("p.period_start")
    .execute();
  expect(told.map((one) => [one.period_start, one.period_end, one.invoice_id])).toEqual([
    [day(0), day(7), "in_week"],
    [new Date(day(0).getTime() + 1), day(21), "in_three_weeks"],
    [day(7), day(14), "in_week_and_fortnight"],
    [day(14), day(21), null],
  ]);
});
