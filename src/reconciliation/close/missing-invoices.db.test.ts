import { sql } from "kysely";
import { expect } from "vitest";
import { closeTest } from "../../testing/fixtures/close-fixture.ts";

closeTest(
  "the final invoice of a subscription that was cancelled before its period's end is looked for",
  async ({ close, account, database: { db } }) => {
    const end = new Date(Date.now() + 300_000);
    const ofPeriod = db.updateTable("billing_periods").where("period_start", "=", close.start);
    await ofPeriod.set({ period_end: end }).execute();
    await ofPeriod.set({ next_look_at: new Date() }).execute();
    await account.stripe.subscriptions.cancel(close.subscriptionId, { invoice_now: true });

    await close.look({ minutes: 20 });

    expect(await close.invoice()).toMatchObject({ status: "draft", subscriptionId: close.subscriptionId });
  },
);

closeTest(
  "an invoice that took the place of a void one is looked for",
  async ({ close, database: { db } }) => {
    const { customer, organizationId, start } = close;
    await sql`
    insert into metering.billing_invoices
      (organization_id, invoice_id, period_start, stripe_customer_id, billing_reason, status, invoiced, created_at, read_began_at)
    values (${organizationId}, 'in_void', ${start}, ${customer}, 'subscription_cycle', 'void', '{}', ${close.end}, now())
  `.execute(db);
    const id = close.endPeriod();

    await close.look({ minutes: 1 });

    expect(await close.invoice()).toMatchObject({ id, status: "draft" });
  },
);

closeTest(
  "the invoice of a period before, as of a time before the link, is not looked for",
  async ({ close, database: { db } }) => {
    const { start, end } = close;
    await sql`delete from metering.billing_periods where period_start = ${start}`.execute(db);
    await sql`
      update metering.billing_periods set period_end = ${new Date(end.getTime() + 60_000)}
    `.execute(db);
    close.endPeriod();

    await close.look();

    const periods = await db.selectFrom("billing_periods").select(["period_start", "books"]).execute();
    expect(periods).toEqual([{ period_start: end, books: "equal" }]);
  },
);

/** Vitest's `test` with a customer who also pays for something of others, by three invoices since the period's end. */
const test = closeTest.extend("others", async ({ close: { customer }, account: { stripe, simulator } }) => {
  const meter = await stripe.billing.meters.create({
    display_name: "Pallets",
    event_name: "pallets",
    default_aggregation: { formula: "sum" },
  });
  const { id: price } = await stripe.prices.create({
    currency: "usd",
    unit_amount: 5,
    product_data: { name: "Pallets" },
    recurring: { interval: "month", usage_type: "metered", meter: meter.id },
  });
  const { id } = await stripe.subscriptions.create({ customer, items: [{ price }] });
  const make = (count: number) =>
    Array.from({ length: count }, () => simulator.cycleSubscription(id).invoice.id);
  const invoices = make(3);
  return {
    invoices,
    make,
    finalize: async () => {
      for (const one of invoices) await stripe.invoices.finalizeInvoice(one);
    },
    /** How often one of these, or its lines, were read since the account is there. */
    reads: () => {
      const { by_route: routes } = simulator.requests();
      return (routes["GET /v1/invoices/:id"] ?? 0) + (routes["GET /v1/invoices/:id/lines"] ?? 0);
    },
  };
});

test("invoices of others that were made since the period's end are read once an hour, and not at each look", async ({
  close,
  others,
}) => {
  await close.look({ minutes: 1 });
  const afterOne = others.reads();
  for (const minutes of [2, 3, 4]) await close.look({ minutes });
  const afterFour = others.reads();
  await close.look({ minutes: 62 });

  expect([afterOne, afterFour, others.reads()]).toEqual([6, 6, 12]);
});

test("an invoice of others that is final is read once, as no line is added to it any more", async ({
  close,
  others,
}) => {
  await others.finalize();
  await close.look({ minutes: 2 });
  const afterOne = others.reads();
  await close.look({ minutes: 70 });

  expect([afterOne, others.reads()]).toEqual([6, 6]);
});

test("an invoice of others that became final since it was read is read once more", async ({
  close,
  others,
}) => {
  await close.look();
  await others.finalize();
  await close.look({ minutes: 2 });
  await close.look({ minutes: 70 });

  expect(others.reads()).toBe(12);
});

test("an invoice of ours is found behind more of others than one look reads, and the older ones are read first", async ({
  close,
  others,
  database: { db },
}) => {
  const id = close.endPeriod();
  others.make(45);

  await close.look({ minutes: 1 });

  const found = await db.selectFrom("billing_invoices").select("invoice_id").execute();
  expect(found).toEqual([{ invoice_id: id }]);
  expect(others.reads()).toBe(2 * 20);
});

test("what one look does not read of a customer's invoices the next looks do", async ({
  close,
  others,
  database: { db },
}) => {
  others.make(42);
  const id = close.endPeriod();

  await close.look({ minutes: 1 });
  await close.look({ minutes: 2 });
  expect(await db.selectFrom("billing_invoices").selectAll().execute()).toEqual([]);
  await close.look({ minutes: 3 });

  const found = await db.selectFrom("billing_invoices").select("invoice_id").execute();
  expect(found).toEqual([{ invoice_id: id }]);
});

test("an invoice of ours that comes between looks at those of others is found at the next one", async ({
  close,
  others,
  database: { db },
}) => {
  await close.look({ minutes: 1 });
  const id = close.endPeriod();

  await close.look({ minutes: 2 });

  const { rows } = await sql<{ id: string }>`select invoice_id as id from metering.billing_invoices`.execute(
    db,
  );
  expect(rows).toEqual([{ id }]);
  expect(others.invoices).not.toContain(id);
});
