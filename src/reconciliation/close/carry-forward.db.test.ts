import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../../database/db.ts";
import { closeTest } from "../../testing/fixtures/close-fixture.ts";
import { countWaitingForLocks, holdOpen } from "../../testing/postgres/locks.ts";
import { linkCustomer } from "../../testing/rows/organizations.ts";
import { carryForward } from "./late-usage.ts";

type Put = { db: Db; organizationId: string; end: Date; nextEnd: Date };

/** A closed period with usage that never left, and the customer's next period, which runs. */
const test = closeTest.extend("late", async ({ close, account: { stripe }, database: { db } }) => {
  const id = close.endPeriod();
  await stripe.invoices.finalizeInvoice(id);
  await close.adopt(id);
  const unsent = await close.addOurs(4, {
    state: "pending",
    attempts_started: 0,
    attempts_finished: 0,
    last_attempt_at: null,
    delivered_at: null,
  });
  return {
    carry: async ({ minutes = 0 } = {}) => {
      await close.look({ lateUsage: "carry_forward", minutes });
      const rows = await db.selectFrom("meter_events").select(["id", "state"]).orderBy("id").execute();
      return rows.map(({ id: event, state }) => `${event === unsent ? "old" : "new"} ${state}`);
    },
  };
});

/** Changes the subscription without a word to the periods, as time does. */
const setSubscription = (db: Db, organizationId: string, change: ReturnType<typeof sql>) =>
  sql`update metering.subscriptions set ${change} where organization_id = ${organizationId}`.execute(db);

test.for(["active", "past_due"])(
  "late usage goes to the running period of a subscription that is %s",
  async (status, { close, late, database: { db } }) => {
    await setSubscription(db, close.organizationId, sql`status = ${status}`);

    expect(await late.carry()).toEqual(["old superseded", "new pending"]);
  },
);

test.for(["trialing", "canceled", "unpaid", "paused", "incomplete", "incomplete_expired"])(
  "late usage of a customer whose subscription is %s stays where it is",
  async (status, { close, late, database: { db } }) => {
    await setSubscription(db, close.organizationId, sql`status = ${status}`);

    expect(await late.carry()).toEqual(["old pending"]);
  },
);

test.for([
  [
    "whose organization another customer pays for now",
    ({ db, organizationId, end, nextEnd }: Put) =>
      linkCustomer(db, organizationId, { customer: "cus_next", periodStart: end, periodEnd: nextEnd }),
  ],
  [
    "whose next period has not begun",
    ({ db, organizationId }: Put) =>
      setSubscription(db, organizationId, sql`current_period_start = now() + interval '1 hour'`),
  ],
  [
    "whose next period is over, too",
    ({ db, organizationId }: Put) =>
      setSubscription(db, organizationId, sql`current_period_end = now() - interval '1 minute'`),
  ],
  [
    "whose usage another path billed until some time in the period",
    ({ db, organizationId, end }: Put) =>
      sql`
        insert into metering.cut_overs (organization_id, cut_at)
        values (${organizationId}, ${end}::timestamptz - interval '1 day')
      `.execute(db),
  ],
  [
    "who has another invoice of the closed period that is a draft",
    ({ db }: Put) =>
      sql`
        insert into metering.billing_invoices (
          organization_id, invoice_id, period_start, stripe_customer_id, stripe_subscription_id, billing_reason, status,
          invoiced, created_at, finalizes_at, read_began_at
        )
        select
          organization_id, 'in_draft', period_start, stripe_customer_id, stripe_subscription_id, billing_reason, 'draft',
          invoiced, now(), now() + interval '2 days', now() + interval '1 day'
        from metering.billing_invoices
      `.execute(db),
  ],
] as const)(
  "late usage of a customer %s stays where it is",
  async ([, change], { close, late, database }) => {
    await change({ ...close, db: database.db });

    expect(await late.carry()).toEqual(["old pending"]);
  },
);

test("late usage that no price bills any more stays where it is until one does", async ({
  close,
  late,
  account: { stripe, priceIds },
}) => {
  const subscription = await stripe.subscriptions.retrieve(close.subscriptionId);
  const [item] = subscription.items.data.filter(({ price }) => price.id === priceIds.temperature_readings);
  await stripe.subscriptions.update(close.subscriptionId, { items: [{ id: item?.id ?? "", deleted: true }] });
  expect(await late.carry()).toEqual(["old pending"]);

  await stripe.subscriptions.update(close.subscriptionId, {
    items: [{ price: priceIds.temperature_readings }],
  });
  expect(await late.carry({ minutes: 59 })).toEqual(["old pending"]);
  expect(await late.carry({ minutes: 61 })).toEqual(["old superseded", "new pending"]);
});

test("late usage stays where it is while Stripe does not collect the invoices of the subscription", async ({
  close,
  late,
  account: { simulator },
}) => {
  simulator.setSubscription(close.subscriptionId, { pause_collection: "void" });
  expect(await late.carry()).toEqual(["old pending"]);

  simulator.setSubscription(close.subscriptionId, { pause_collection: null });
  expect(await late.carry({ minutes: 61 })).toEqual(["old superseded", "new pending"]);
});

test("late usage stays where it is while Stripe tells of a trial", async ({
  close,
  late,
  account: { stripe, simulator, priceIds },
}) => {
  await stripe.subscriptions.cancel(close.subscriptionId);
  await stripe.subscriptions.create({
    customer: close.customer,
    items: [{ price: priceIds.temperature_readings }],
    trial_period_days: 14,
  });

  expect(await late.carry()).toEqual(["old pending"]);
  simulator.setClock({ advance_seconds: 15 * 86_400 });
  expect(await late.carry({ minutes: 15 * 1_440 })).toEqual(["old superseded", "new pending"]);
});

closeTest(
  "a worker that looks while another one carries usage forward waits for it, and carries nothing again",
  async ({ close, account: { stripe }, database: { db, pool } }) => {
    const id = close.endPeriod();
    await stripe.invoices.finalizeInvoice(id);
    await close.addOurs(7, { delivered_at: new Date() });
    await close.adopt(id);
    const deps = { ...close.deps, lateUsage: "carry_forward" as const };
    const period = await close.period();
    const release = await holdOpen(
      pool,
      "select from metering.billing_periods where organization_id = $1 for update",
      [close.organizationId],
    );

    const second = carryForward(deps, period, "equal");
    await expect.poll(() => countWaitingForLocks(pool)).toBe(1);
    // As the first worker leaves it.
    await close.addOurs(7, {
      state: "pending",
      delivered_at: null,
      carried_from: close.start,
      event_at: new Date(),
    });
    await release();
    await second;

    const carried = db.selectFrom("meter_events").select("quantity").where("carried_from", "is not", null);
    expect(await carried.execute()).toEqual([{ quantity: "7" }]);
    expect(close.told("late_usage_carried_forward")).toEqual([]);
  },
);
