import { sql } from "kysely";
import { expect } from "vitest";
import { closeTest } from "../../testing/fixtures/close-fixture.ts";
import { readStatement } from "./statement.ts";

const dayMinutes = 24 * 60;

/** The fixture's period is its subscription's, with ten readings at Stripe, and no invoice is made yet. */
const test = closeTest.extend("used", { auto: true }, async ({ close, database: { db } }) => {
  const { subscriptionId, organizationId, start } = close;
  await sql`
    update metering.billing_periods set stripe_subscription_id = ${subscriptionId}
    where organization_id = ${organizationId} and period_start = ${start}
  `.execute(db);
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
