import { sql } from "kysely";
import { expect } from "vitest";
import { closeTest } from "../../testing/fixtures/close-fixture.ts";
import { readStatement } from "./statement.ts";

const dayMs = 86_400_000;
const secondsOf = (time: Date) => Math.floor(time.getTime() / 1_000);

/**
 * Stripe has ten readings of the fixture's period. `dropReadings`: their item is deleted, and the invoice at the period's end, which
 * has no line of them, is final. `billBefore`: a final invoice of the subscription's period before, of these quantities.
 */
const test = closeTest.extend(
  "plan",
  async ({ close, account: { simulator, stripe, priceIds }, database: { db } }) => {
    const { organizationId, customer, subscriptionId, start, end } = close;
    await close.nameSubscription(subscriptionId);
    await close.addOurs(10);
    await close.countTheirs(10);
    const billBefore = async (invoiced: Record<string, string>) => {
      const before = new Date(start.getTime() - 30 * dayMs);
      await sql`
      insert into metering.billing_periods (
        organization_id, period_start, period_end, stripe_customer_id, stripe_subscription_id, closed_at, next_look_at
      )
      values (${organizationId}, ${before}, ${start}, ${customer}, ${subscriptionId}, ${start}, '9999-01-01')
    `.execute(db);
      await sql`
      insert into metering.billing_invoices (
        organization_id, invoice_id, period_start, stripe_customer_id, stripe_subscription_id, billing_reason, status, invoiced,
        created_at, finalized_at, read_began_at
      )
      values (
        ${organizationId}, 'in_before', ${before}, ${customer}, ${subscriptionId}, 'subscription_cycle', 'paid',
        ${JSON.stringify(invoiced)}::jsonb, ${start}, ${start}, ${start}
      )
    `.execute(db);
    };
    const dropReadings = async () => {
      // While the period runs: asked for one that is over, the simulator ends it first.
      simulator.setSubscription(subscriptionId, { current_period_end: secondsOf(new Date()) + 60 });
      const { items } = await stripe.subscriptions.retrieve(subscriptionId);
      const item = items.data.find(({ price }) => price.id === priceIds.temperature_readings);
      await stripe.subscriptions.update(subscriptionId, { items: [{ id: item?.id ?? "", deleted: true }] });
      simulator.setSubscription(subscriptionId, { current_period_end: secondsOf(end) });
      const id = close.endPeriod();
      await stripe.invoices.finalizeInvoice(id);
      await close.adopt(id);
    };
    return { billBefore, dropReadings };
  },
);

test("usage of a meter whose item was deleted is told as on no invoice, also when a price is there again", async ({
  close,
  plan,
  account: { stripe, priceIds },
  database: { db },
}) => {
  await plan.billBefore({ temperature_readings: "5", active_sensors: "3" });
  await plan.dropReadings();

  await close.look({ settleSeconds: 0 });

  const owed = { temperature_readings: "10" };
  expect(close.told("usage_not_billed")).toMatchObject([{ quantities: owed }]);
  const period = await close.period();
  expect(period).toMatchObject({ books: "equal", closedAt: expect.any(Date), notBilled: owed });
  expect((await readStatement(db, period)).meters[0]).toMatchObject({
    invoiced: null,
    difference: "10",
    rows: [{ kind: "unexplained", difference: "10" }],
  });

  const items = [{ price: priceIds.temperature_readings }];
  await stripe.subscriptions.update(close.subscriptionId, { items });
  await close.look({ settleSeconds: 0 });
  expect(await close.period()).toMatchObject({ notBilled: owed });
});

test("a meter that the plan did not bill before lacks nothing", async ({ close, plan }) => {
  await plan.billBefore({ active_sensors: "3" });
  await plan.dropReadings();

  await close.look({ settleSeconds: 0 });

  expect(await close.period()).toMatchObject({ books: "equal", notBilled: null });
});

test("nor does a meter that another subscription of the customer bills now", async ({
  close,
  plan,
  account: { stripe, priceIds },
}) => {
  await plan.billBefore({ temperature_readings: "5" });
  const items = [{ price: priceIds.temperature_readings }];
  await stripe.subscriptions.create({ customer: close.customer, items });
  await plan.dropReadings();

  await close.look({ settleSeconds: 0 });

  expect(await close.period()).toMatchObject({ books: "equal", notBilled: null });
});
