import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../../database/db.ts";
import { readNotBilledGauges } from "../../monitoring/metrics/read-close.ts";
import { closeTest } from "../../testing/fixtures/close-fixture.ts";
import { addOrganization, linkCustomer } from "../../testing/rows/organizations.ts";
import { readStatement } from "./statement.ts";

const dayMinutes = 24 * 60;
const dayMs = 86_400_000;

/** The fixture's period is its subscription's, with ten readings at Stripe, and no invoice is made yet. */
const test = closeTest.extend("used", { auto: true }, async ({ close }) => {
  await close.nameSubscription(close.subscriptionId);
  await close.addOurs(10);
  await close.countTheirs(10);
});

test("usage of a subscription that was cancelled at once, without an invoice, is told a day after its end", async ({
  close,
  account: { stripe },
  database: { db },
}) => {
  await stripe.subscriptions.cancel(close.subscriptionId);
  await close.look({ minutes: dayMinutes - 60 });
  expect(await close.period()).toMatchObject({ books: "equal", notBilled: null });
  const [awaited] = (await readStatement(db, await close.period())).meters;
  expect(awaited).toMatchObject({ invoiced: null, difference: "0", rows: [] });

  await close.look({ minutes: dayMinutes });
  const period = await close.period();
  expect(period).toMatchObject({ books: "equal", closedAt: null, notBilled: { temperature_readings: "10" } });
  expect(close.told("usage_not_billed")).toMatchObject([{ quantities: { temperature_readings: "10" } }]);
  const [readings] = (await readStatement(db, period)).meters;
  expect(readings).toMatchObject({
    sent: "10",
    invoiced: null,
    difference: "10",
    rows: [{ kind: "no_invoice", quantity: "10", difference: "10" }],
  });
});

test("an invoice that is made later, as by hand, ends it", async ({
  close,
  account: { stripe },
  database: { db },
}) => {
  await close.look({ minutes: dayMinutes });
  expect((await close.period()).notBilled).toEqual({ temperature_readings: "10" });

  const id = close.endPeriod();
  await stripe.invoices.finalizeInvoice(id);
  await close.look({ minutes: dayMinutes });

  const period = await close.period();
  expect(period).toMatchObject({ closedAt: expect.any(Date), notBilled: null });
  const [readings] = (await readStatement(db, period)).meters;
  expect(readings).toMatchObject({ invoiced: "10", difference: "0", rows: [] });
});

test("of a period whose invoice a person made void nothing is told", async ({ close, database: { db } }) => {
  const { organizationId, customer, start, end } = close;
  await sql`
    insert into metering.billing_invoices (
      organization_id, invoice_id, period_start, stripe_customer_id, billing_reason, status, invoiced, created_at, read_began_at
    )
    values (${organizationId}, 'in_void', ${start}, ${customer}, 'subscription_cycle', 'void', '{}', ${end}, now())
  `.execute(db);
  await close.look({ minutes: dayMinutes });
  expect(await close.period()).toMatchObject({ closedAt: null, notBilled: null });
});

test("a customer of whom no subscription told a period has no invoice to wait for", async ({
  close,
  database: { db },
}) => {
  await sql`update metering.billing_periods set stripe_subscription_id = null`.execute(db);
  await close.look({ minutes: dayMinutes });
  expect((await close.period()).notBilled).toBeNull();
});

test("the invoice of a subscription that runs beside a younger one, which is followed, is awaited until its own period ends", async ({
  close,
  account: { stripe, simulator },
}) => {
  simulator.setSubscription(close.subscriptionId, {
    current_period_end: (close.end.getTime() + 10 * dayMs) / 1_000,
  });
  await close.look({ minutes: dayMinutes });
  expect(await close.period()).toMatchObject({ notBilled: null });
  expect(close.told("usage_not_billed")).toEqual([]);

  await stripe.subscriptions.cancel(close.subscriptionId);
  await close.look({ minutes: dayMinutes });
  expect(await close.period()).toMatchObject({ notBilled: { temperature_readings: "10" } });
});

/** An invoice of the subscription that stands beside another period. */
const addInvoice = (
  db: Db,
  close: { organizationId: string; customer: string; subscriptionId: string },
  at: Date,
) =>
  sql`
    insert into metering.billing_invoices (
      organization_id, invoice_id, period_start, stripe_customer_id, stripe_subscription_id, billing_reason, status, invoiced,
      created_at, read_began_at
    )
    values (
      ${close.organizationId}, 'in_another', '2026-01-01T00:00:00Z', ${close.customer}, ${close.subscriptionId},
      'subscription_cycle', 'paid', '{}', ${at}, now()
    )
  `.execute(db);

test("an invoice of the subscription that was made at the period's end and stands beside an earlier one bills both", async ({
  close,
  account: { stripe },
  database: { db },
}) => {
  await addInvoice(db, close, close.end);
  await stripe.subscriptions.cancel(close.subscriptionId);
  await close.look({ minutes: dayMinutes });
  expect(await close.period()).toMatchObject({ notBilled: null });
});

test("while a subscription is paused, and when it is resumed, the invoice of its last period is awaited, until the next one is made", async ({
  close,
  account: { simulator },
  database: { db },
}) => {
  simulator.setSubscription(close.subscriptionId, { status: "paused" });
  await close.look({ minutes: 9 * dayMinutes });
  expect(await close.period()).toMatchObject({ notBilled: null });

  simulator.setSubscription(close.subscriptionId, {
    status: "active",
    current_period_start: close.end.getTime() / 1_000,
    current_period_end: close.nextEnd.getTime() / 1_000,
  });
  await close.look({ minutes: 9 * dayMinutes });
  expect(await close.period()).toMatchObject({ notBilled: null });

  await addInvoice(db, close, close.nextEnd);
  await close.look({ minutes: 9 * dayMinutes });
  expect(await close.period()).toMatchObject({ notBilled: { temperature_readings: "10" } });
});

test("a subscription that was paused for months and then cancelled leaves usage on no invoice, which is told", async ({
  close,
  account: { stripe, simulator },
  database: { db },
}) => {
  const { organizationId, customer } = close;
  const daysBefore = (days: number) => new Date(close.end.getTime() - days * dayMs);
  const [start, end] = [daysBefore(70), daysBefore(50)];
  await sql`
    insert into metering.billing_periods (
      organization_id, period_start, period_end, stripe_customer_id, stripe_subscription_id
    )
    values (${organizationId}, ${start}, ${end}, ${customer}, ${close.subscriptionId})
  `.execute(db);
  await close.addOurs(4, { event_at: start });
  const told = async () => {
    const gauges = await readNotBilledGauges(db);
    return gauges.find(({ labels }) => labels?.["meter"] === "temperature_readings")?.value;
  };
  simulator.setSubscription(close.subscriptionId, {
    status: "paused",
    current_period_start: start.getTime() / 1_000,
    current_period_end: end.getTime() / 1_000,
  });
  await close.look();
  expect(close.told("usage_not_billed")).toEqual([]);

  await stripe.subscriptions.cancel(close.subscriptionId);
  await close.look();

  expect(close.told("usage_not_billed")).toMatchObject([
    { period_start: start.toISOString(), quantities: { temperature_readings: "4" } },
  ]);
  expect(await told()).toBe(4);
});

test("the invoice of a customer who paid for two organizations is both's, though it stands beside one", async ({
  close,
  account: { stripe },
  database: { db },
}) => {
  const { customer, organizationId, start, end, subscriptionId } = close;
  await linkCustomer(db, organizationId, { customer: "cus_another" });
  const other = await addOrganization(db, { customer, periodStart: start, periodEnd: end });
  await sql`
    update metering.billing_periods set stripe_subscription_id = ${subscriptionId} where organization_id = ${other}
  `.execute(db);
  const id = close.endPeriod();
  await stripe.invoices.finalizeInvoice(id);
  await close.adopt(id);
  await close.look({ minutes: dayMinutes });
  const periods = await sql`
    select p.organization_id as "organizationId", p.closed_at is not null as "isClosed", p.not_billed as "notBilled"
    from metering.billing_periods p where period_start = ${start} order by 2
  `.execute(db);
  expect(periods.rows).toEqual([
    { organizationId, isClosed: false, notBilled: null },
    { organizationId: other, isClosed: true, notBilled: null },
  ]);
});

test("a period that a subscription's first invoice bills has an invoice", async ({
  close,
  database: { db },
}) => {
  const { organizationId, customer, start, end, subscriptionId } = close;
  await sql`
    insert into metering.billing_invoices (
      organization_id, invoice_id, period_start, stripe_customer_id, stripe_subscription_id, billing_reason, status, invoiced,
      created_at, finalized_at, read_began_at
    )
    values (
      ${organizationId}, 'in_first', ${start}, ${customer}, ${subscriptionId}, 'subscription_create', 'paid',
      '{"temperature_readings": "10"}', ${end}, ${end}, now()
    )
  `.execute(db);
  await sql`update metering.billing_periods set closed_at = now() where period_start = ${start}`.execute(db);
  await close.addOurs(3, { meter: "active_sensors" });
  await close.countTheirs(3, { meter: "active_sensors" });
  await close.look({ minutes: dayMinutes });
  expect(await close.period()).toMatchObject({ notBilled: null });
});

test("a period has no invoice only where all of the customer's were read", async ({
  close,
  account: { stripe, simulator },
}) => {
  const price = await stripe.prices.create({
    currency: "usd",
    unit_amount: 5,
    product_data: { name: "Support" },
    recurring: { interval: "month" },
  });
  const { id: support } = await stripe.subscriptions.create({
    customer: close.customer,
    items: [{ price: price.id }],
  });
  for (let made = 0; made < 25; made += 1) simulator.cycleSubscription(support);
  const id = close.endPeriod();
  await stripe.invoices.finalizeInvoice(id);

  await close.look({ minutes: dayMinutes });
  expect(close.told("usage_not_billed")).toEqual([]);
  await close.look({ minutes: dayMinutes });
  expect(await close.period()).toMatchObject({ closedAt: expect.any(Date), notBilled: null });
});
