import { expect } from "vitest";
import { sql } from "kysely";
import { adoptInvoice } from "../../billing/adopt-invoice.ts";
import { adoptSubscription } from "../../billing/adopt-subscription.ts";
import { readCustomer } from "../../billing/read-customer.ts";
import { unlinkOrganization } from "../../billing/subscriptions.ts";
import { readCustomerQueue } from "../../queue/queues.ts";
import { createStripe } from "../../stripe/client.ts";
import { createStripeReads } from "../../stripe/reads.ts";
import { closeTest } from "../../testing/fixtures/close-fixture.ts";
import { addOrganization, linkCustomer } from "../../testing/rows/organizations.ts";
import { listInvoicesOf, listPeriods } from "./billing-periods.ts";
import { readStatement } from "./statement.ts";

const dayMs = 86_400_000;
const secondsOf = (time: Date) => time.getTime() / 1_000;

type Told = {
  customer: string;
  from: Date;
  to: Date;
  quantity: string;
  reason?: string;
  subscription?: string;
};

const test = closeTest
  /** The time of a day of the period, from 0. */
  .extend(
    "at",
    ({ close: { start } }) =>
      (day: number) =>
        new Date(start.getTime() + day * dayMs),
  )
  /** As a webhook does with a paid invoice of readings. */
  .extend(
    "tell",
    ({ close: { deps } }) =>
      (id: string, { customer, from, to, quantity, reason, subscription }: Told) =>
        deps.db.transaction().execute((trx) =>
          adoptInvoice(trx, {
            invoiceId: id,
            customerId: customer,
            readBeganAt: new Date().toISOString(),
            invoice: {
              id,
              customerId: customer,
              subscriptionId: subscription ?? `sub_of_${customer}`,
              billingReason: reason ?? "subscription_cycle",
              status: "paid",
              createdAt: to,
              finalizesAt: null,
              finalizedAt: to,
              paidAt: to,
              periodStart: from,
              periodEnd: to,
            },
            usage: {
              start: from,
              end: to,
              shortest: { start: from, end: to },
              invoiced: { temperature_readings: quantity },
              billedTwice: [],
            },
          }),
        ),
  )
  /** The organization has the close fixture's customer from the period's first day, and no later period. */
  .extend("linkFirst", ({ close, database: { db } }) => async () => {
    await sql`delete from metering.billing_periods`.execute(db);
    const { organizationId, customer, start, end } = close;
    await linkCustomer(db, organizationId, { customer, periodStart: start, periodEnd: end });
  });

test.for([
  ["a threshold's", "subscription_threshold"],
  ["a changed price's", "subscription_update"],
] as const)(
  "an invoice at the period's end that nothing told of is looked for, though %s invoice is known",
  async ([, reason], { close, at, tell, database: { db } }) => {
    const { customer, start, end } = close;
    await tell("in_before", { customer, from: start, to: at(3), quantity: "4", reason });
    const id = close.endPeriod();

    await close.look({ minutes: 30 });

    const { rows } = await sql<{
      id: string;
    }>`select invoice_id as id from metering.billing_invoices`.execute(db);
    expect(rows).toContainEqual({ id });
    expect((await close.period()).end).toEqual(end);
  },
);

test("where nothing told of an invoice, the customer is read once, so that the period that has begun is known", async ({
  close,
  linkFirst,
  boss,
  account,
  database: { db },
}) => {
  const { organizationId, customer, deps, end } = close;
  const client = createStripe({ apiKey: account.secretKey, apiBase: account.url, timeoutMs: 15_000 });
  const reads = createStripeReads(client, account.secretKey);
  await linkFirst();
  await sql`update metering.subscriptions set read_began_at = ${close.start}`.execute(db);
  close.endPeriod();
  const fetchReads = async () => {
    const jobs = await boss.fetch(readCustomerQueue.name, { batchSize: 10 });
    for (const { id } of jobs) await boss.complete(readCustomerQueue.name, id);
    return jobs.map(({ data }) => data);
  };

  await close.look({ minutes: 30 });
  expect(await fetchReads()).toEqual([{ organizationId }]);

  const read = await readCustomer({ ...deps, reads }, customer);
  if (read === undefined) throw new Error("Stripe does not know the customer");
  await deps.db.transaction().execute((trx) => adoptSubscription(trx, read));
  await sql`update metering.subscriptions set read_wanted_at = null`.execute(db);
  await sql`delete from metering.billing_invoices`.execute(db);
  deps.askedInVain.clear();
  await close.look({ minutes: 30 });
  expect(await fetchReads()).toEqual([]);
  const periods = await listPeriods(db, organizationId, { before: undefined, limit: 9 });
  expect(periods.map(({ start }) => start)).toContainEqual(end);
});

test("invoices of a subscription that began inside a period of none have periods of their own, and that one ends before", async ({
  close,
  at,
  linkFirst,
  tell,
  database: { db },
}) => {
  const { customer, organizationId, start } = close;
  await linkFirst();
  const subscription = "sub_daily";

  await tell("in_1", { customer, from: at(3), to: at(4), quantity: "5", subscription });
  await tell("in_2", { customer, from: at(4), to: at(5), quantity: "6", subscription });

  const periods = await listPeriods(db, organizationId, { before: undefined, limit: 9 });
  const invoices = await listInvoicesOf(db, { organizationId, times: periods });
  const told = periods.map((period, place) => [
    period.start,
    period.end,
    invoices[place]?.map(({ id }) => id),
  ]);
  expect(told).toEqual([
    [at(4), at(5), ["in_2"]],
    [at(3), at(4), ["in_1"]],
    [start, at(3), []],
  ]);
});

/** A customer with a subscription of readings, and from the fifth day a younger one of sensors, which is followed then. */
const withTwo = test.extend("two", async ({ close, at, database: { db }, account }) => {
  const { stripe, simulator, priceIds } = account;
  const { organizationId, start, end } = close;
  const { id: customer } = await stripe.customers.create({ name: "Acme" });
  const subscribe = async (price: string, from: Date, until: Date) => {
    const made = { customer, items: [{ price }], backdate_start_date: secondsOf(from) };
    const { id } = await stripe.subscriptions.create(made);
    simulator.setSubscription(id, {
      current_period_start: secondsOf(from),
      current_period_end: secondsOf(until),
    });
    return id;
  };
  await sql`delete from metering.billing_periods`.execute(db);
  await linkCustomer(db, organizationId, { customer });
  const client = createStripe({ apiKey: account.secretKey, apiBase: account.url, timeoutMs: 15_000 });
  const reads = createStripeReads(client, account.secretKey);
  const follow = async () => {
    const read = await readCustomer({ ...close.deps, reads }, customer);
    if (read === undefined) throw new Error("the customer is gone");
    await db.transaction().execute((trx) => adoptSubscription(trx, read));
  };
  const readings = await subscribe(priceIds.temperature_readings, start, end);
  await follow();
  await subscribe(priceIds.active_sensors, at(5), at(35));
  await follow();
  return { customer, readings };
});

withTwo(
  "where the older of two subscriptions begins and ends its period, an hour of usage is cut",
  async ({ close, two, database: { db } }) => {
    const bounds = db.selectFrom("subscriptions").select(["stripe_customer_id", "other_bounds"]);
    expect(await bounds.executeTakeFirst()).toEqual({
      stripe_customer_id: two.customer,
      other_bounds: [close.start, close.end],
    });
  },
);

withTwo(
  "what the invoice of the older of two subscriptions lacks is told",
  async ({ close, at, two: { customer, readings }, database: { db }, account: { stripe, simulator } }) => {
    const count = (value: string, day: number) =>
      stripe.billing.meterEvents.create({
        event_name: "temperature_readings",
        payload: { stripe_customer_id: customer, value },
        timestamp: Math.floor(secondsOf(at(day))),
      });
    await close.addOurs(10, { event_at: at(1), stripe_customer_id: customer });
    await close.addOurs(8, { event_at: at(10), stripe_customer_id: customer });
    await count("10", 1);
    const { id } = simulator.cycleSubscription(readings).invoice;
    await stripe.invoices.finalizeInvoice(id);
    await count("8", 10);

    expect(await close.adopt(id, customer)).toBe("invoice_noted");
    await close.look({ minutes: 30, settleSeconds: 0 });

    const period = await close.period();
    expect(period).toMatchObject({
      end: close.end,
      books: "equal",
      notBilled: { temperature_readings: "8" },
    });
    const [ofReadings] = (await readStatement(db, period)).meters;
    expect(ofReadings).toMatchObject({ sent: "18", invoiced: "10", difference: "8" });
  },
);

withTwo(
  "a draft of the older of two subscriptions is held while its usage is pending",
  async ({ close, at, two: { customer, readings }, account: { simulator } }) => {
    await close.addOurs(8, {
      state: "pending",
      attempts_started: 0,
      attempts_finished: 0,
      last_attempt_at: null,
      delivered_at: null,
      event_at: at(10),
      stripe_customer_id: customer,
    });
    const { id } = simulator.cycleSubscription(readings).invoice;
    await close.adopt(id, customer);

    await close.look({ minutes: 50 });

    expect(close.told("invoice_held")).toMatchObject([{ invoice_id: id, books: "open" }]);
  },
);

withTwo(
  "further invoices of the older of two subscriptions get periods of their own",
  async ({ close, at, tell, two: { customer }, database: { db } }) => {
    await sql`
    update metering.billing_periods set stripe_subscription_id = ${`sub_of_${customer}`} where period_start = ${close.start}
  `.execute(db);
    for (const [index, from] of [close.start, at(20), at(40)].entries()) {
      await tell(`in_${index}`, { customer, from, to: at(20 + 20 * index), quantity: "1" });
    }

    const periods = await listPeriods(db, close.organizationId, { before: undefined, limit: 10 });
    expect(periods.map(({ start, end }) => [start, end])).toEqual([
      [at(40), at(60)],
      [at(20), at(40)],
      [at(5), at(35)],
      [close.start, at(20)],
    ]);
  },
);

test("of an organization that moved inside its period, the earlier customer's invoice is compared with its usage", async ({
  close,
  at,
  tell,
  linkFirst,
  database: { db },
}) => {
  const { organizationId, customer, start, end } = close;
  await linkFirst();
  await linkCustomer(db, organizationId, { customer: "cus_next", periodStart: at(5), periodEnd: at(35) });
  for (const [quantity, day] of [
    [10, 1],
    [8, 10],
  ] as const) {
    await close.addOurs(quantity, { event_at: at(day) });
    await close.countTheirs(quantity, { at: at(day) });
  }

  await tell("in_1", { customer, from: start, to: end, quantity: "12" });
  await close.look({ minutes: 30, settleSeconds: 0 });

  expect(await close.period()).toMatchObject({ books: "equal", notBilled: { temperature_readings: "6" } });
});

test("periods of two customers that begin in the same second are compared each with its own invoice", async ({
  close,
  at,
  tell,
  linkFirst,
  account: { stripe },
  database: { db },
}) => {
  const { organizationId, customer, start, end } = close;
  const { id: next } = await stripe.customers.create({ name: "Acme, new owner" });
  await linkFirst();
  await linkCustomer(db, organizationId, { customer: next, periodStart: start, periodEnd: end });
  await linkCustomer(db, organizationId, { customer: next, periodStart: start, periodEnd: at(19) });
  await close.addOurs(10, { event_at: at(1) });
  await close.addOurs(7, { event_at: at(2), stripe_customer_id: next });

  await tell("in_1", { customer, from: start, to: end, quantity: "4" });
  await tell("in_2", { customer: next, from: start, to: end, quantity: "7" });
  await close.look({ minutes: 30, settleSeconds: 0 });

  const periods = await listPeriods(db, organizationId, { before: undefined, limit: 10 });
  expect(periods.map(({ customer: payer, notBilled }) => [payer, notBilled])).toEqual([
    [next, null],
    [customer, { temperature_readings: "6" }],
  ]);
});

withTwo(
  "late usage of a period that another one overlaps is left to people",
  async ({ close, at, two: { customer, readings }, database: { db }, account: { simulator, stripe } }) => {
    const { id } = simulator.cycleSubscription(readings).invoice;
    await stripe.invoices.finalizeInvoice(id);
    await close.adopt(id, customer);
    const unsent = { state: "pending", attempts_started: 0, attempts_finished: 0, last_attempt_at: null };
    await close.addOurs(8, { ...unsent, delivered_at: null, event_at: at(10), stripe_customer_id: customer });

    await close.look({ minutes: 30, lateUsage: "carry_forward" });

    const events = await db.selectFrom("meter_events").select(["state", "quantity"]).execute();
    expect(events).toMatchObject([{ state: "pending", quantity: "8" }]);
    expect(await close.period()).toMatchObject({ notBilled: { temperature_readings: "8" } });
  },
);

test("invoices of two subscriptions that begin in the same second have one period if both end together", async ({
  close,
  at,
  tell,
  linkFirst,
  database: { db },
}) => {
  const { organizationId, customer, start, end } = close;
  await linkFirst();
  await sql`update metering.billing_periods set stripe_subscription_id = 'sub_1'`.execute(db);

  await tell("in_1", { customer, from: start, to: end, quantity: "4", subscription: "sub_1" });
  await tell("in_2", { customer, from: start, to: end, quantity: "5", subscription: "sub_2" });
  await tell("in_3", { customer, from: start, to: at(300), quantity: "6", subscription: "sub_3" });

  const periods = await listPeriods(db, organizationId, { before: undefined, limit: 10 });
  const invoices = await listInvoicesOf(db, { organizationId, times: periods });
  expect(periods.map((one, place) => [one.end, invoices[place]?.map(({ id }) => id)])).toEqual([
    [at(300), ["in_3"]],
    [end, ["in_1", "in_2"]],
  ]);
});

test("an invoice of a customer who paid for two organizations is compared with the usage of both, and its statement names the other's", async ({
  close,
  at,
  tell,
  linkFirst,
  database: { db },
}) => {
  const { organizationId, customer, start, end } = close;
  await linkFirst();
  await unlinkOrganization(db, organizationId);
  const second = await addOrganization(db, { customer, periodStart: start, periodEnd: end });
  await close.addOurs(10, { event_at: at(1) });
  await close.addOurs(7, { event_at: at(2), organization_id: second });

  await tell("in_1", { customer, from: start, to: end, quantity: "12" });
  await close.look({ minutes: 30, settleSeconds: 0 });

  expect(close.told("usage_not_billed")).toMatchObject([
    { organization_id: second, quantities: { temperature_readings: "5" } },
  ]);
  const [period] = await listPeriods(db, second, { before: undefined, limit: 1 });
  if (period === undefined) throw new Error("the second organization has no period");
  expect((await readStatement(db, period)).meters[0]).toMatchObject({
    invoiced: "12",
    difference: "-5",
    rows: [
      { kind: "other_organizations", quantity: "10", difference: "-10" },
      { kind: "unexplained", difference: "5" },
    ],
  });
});
