import { sql } from "kysely";
import { expect } from "vitest";
import { closeTest } from "../testing/fixtures/close-fixture.ts";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { addMeterEvent, ago, minuteMs } from "../testing/rows/meter-events.ts";
import { addOrganization, linkCustomer } from "../testing/rows/organizations.ts";
import { warnOfInvoices } from "./warn-of-invoices.ts";

const dayMs = 24 * 60 * minuteMs;

test("an overdue draft and usage that two subscriptions bill are each told once, until they are over", async ({
  database: { db },
}) => {
  const [periodStart, periodEnd] = [ago(33 * dayMs), ago(3 * dayMs)];
  const id = await addOrganization(db, { customer: "cus_1", periodStart, periodEnd });
  const usedAt = ago(20 * dayMs);
  await addMeterEvent(db, {
    organization_id: id,
    event_at: usedAt,
    state: "delivered",
    delivered_at: usedAt,
  });
  for (const subscription of ["sub_1", "sub_2"]) {
    await sql`
      insert into metering.billing_invoices (
        organization_id, invoice_id, period_start, stripe_customer_id, stripe_subscription_id, status, invoiced, created_at,
        read_began_at
      )
      values (
        ${id}, ${`in_of_${subscription}`}, ${periodStart}, 'cus_1', ${subscription}, 'paid',
        '{"temperature_readings": "5", "active_sensors": "0"}', ${periodEnd}, now()
      )
    `.execute(db);
  }
  const { log, events } = createRecordingLog();
  const warn = async (told: ReadonlySet<string>) => {
    events.length = 0;
    return warnOfInvoices({ db, log }, told);
  };

  let told = await warn(new Set());
  const twice = {
    event: "usage_billed_twice",
    organization_id: id,
    stripe_customer_id: "cus_1",
    meter: "temperature_readings",
    stripe_subscription_ids: ["sub_1", "sub_2"],
  };
  expect(events).toEqual([twice]);

  const finalizesAt = ago(2 * dayMs);
  await sql`
    update metering.billing_invoices set status = 'draft', finalizes_at = ${finalizesAt} where invoice_id = 'in_of_sub_1'
  `.execute(db);
  told = await warn(told);
  expect(events).toEqual([
    {
      event: "invoice_overdue",
      organization_id: id,
      invoice_id: "in_of_sub_1",
      period_start: periodStart.toISOString(),
      finalizes_at: finalizesAt.toISOString(),
    },
  ]);

  await sql`update metering.billing_invoices set status = 'void' where invoice_id = 'in_of_sub_2'`.execute(
    db,
  );
  told = await warn(told);
  expect(events).toEqual([]);
  await sql`update metering.billing_invoices set status = 'paid' where invoice_id = 'in_of_sub_2'`.execute(
    db,
  );
  await warn(told);
  expect(events).toEqual([twice]);
});

closeTest(
  "usage that two prices of one subscription bill is told",
  async ({ close, account: { stripe, simulator, meterIds }, database: { db } }) => {
    const { customer, organizationId, subscriptionId, end } = close;
    const added = await stripe.prices.create({
      currency: "usd",
      unit_amount: 3,
      product_data: { name: "Readings, dearer" },
      recurring: { interval: "month", usage_type: "metered", meter: meterIds.temperature_readings },
    });
    await close.countTheirs(10);
    // While the period runs: asked for one that is over, the simulator ends it first.
    const secondsOf = (time: Date) => Math.floor(time.getTime() / 1_000);
    simulator.setSubscription(subscriptionId, { current_period_end: secondsOf(new Date()) + 60 });
    await stripe.subscriptions.update(subscriptionId, { items: [{ price: added.id }] });
    simulator.setSubscription(subscriptionId, { current_period_end: secondsOf(end) });
    await close.adopt(close.endPeriod());
    const { log, events } = createRecordingLog();

    await warnOfInvoices({ db, log }, new Set());

    expect(await close.invoice()).toMatchObject({ invoiced: { temperature_readings: "20" } });
    expect(events).toEqual([
      {
        event: "usage_billed_twice",
        organization_id: organizationId,
        stripe_customer_id: customer,
        meter: "temperature_readings",
        stripe_subscription_ids: [subscriptionId],
      },
    ]);
  },
);

test("a draft that Stripe finalizes at no time is told once an invoice of a later period is final", async ({
  database: { db },
}) => {
  const [periodStart, laterStart] = [ago(63 * dayMs), ago(33 * dayMs)];
  const id = await addOrganization(db, { customer: "cus_1", periodStart, periodEnd: laterStart });
  await linkCustomer(db, id, { customer: "cus_1", periodStart: laterStart, periodEnd: ago(3 * dayMs) });
  const bill = (invoiceId: string, { of, status }: { of: Date; status: string }) =>
    sql`
    insert into metering.billing_invoices (
      organization_id, invoice_id, period_start, stripe_customer_id, stripe_subscription_id, status, invoiced, created_at,
      read_began_at
    )
    values (${id}, ${invoiceId}, ${of}, 'cus_1', 'sub_1', ${status}, '{"temperature_readings": "5"}', ${ago(dayMs)}, now())
  `.execute(db);
  const { log, events } = createRecordingLog();
  await bill("in_of_pause", { of: periodStart, status: "draft" });
  await bill("in_later", { of: laterStart, status: "draft" });
  await warnOfInvoices({ db, log }, new Set());
  expect(events).toEqual([]);

  await sql`update metering.billing_invoices set status = 'paid' where invoice_id = 'in_later'`.execute(db);
  await warnOfInvoices({ db, log }, new Set());
  expect(events).toMatchObject([{ event: "invoice_overdue", invoice_id: "in_of_pause", finalizes_at: null }]);
});
