import fc from "fast-check";
import { expect } from "vitest";
import { readInbox, readSubscriptionOf } from "../../testing/rows/inbox.ts";
import { addOrganization } from "../../testing/rows/organizations.ts";
import { stripeSideTest as test } from "../../testing/fixtures/stripe-side-fixture.ts";

test.for([
  ["paid", "active"],
  ["trial", "trialing"],
] as const)(
  "a checkout that is %s links its organization as %s",
  async ([payment, status], { database, account, stripeSide }) => {
    await stripeSide.startWorker();
    const organizationId = await addOrganization(database.db);

    const { customer, subscription } = await stripeSide.checkOut({ organizationId }, payment);
    await stripeSide.untilHandled();

    expect(await readSubscriptionOf(database.db, organizationId)).toEqual({ customer, subscription, status });
    expect(account.simulator.deliveries({ outcome: "refused" })).toEqual([]);
  },
);

test.for([
  [true, "checkout.session.async_payment_succeeded", "active"],
  [false, "checkout.session.async_payment_failed", undefined],
] as const)(
  "a payment that takes days links when it has come (%s), by %s",
  async ([succeeded, type, status], { database: { db }, account, stripeSide }) => {
    await stripeSide.startWorker();
    const organizationId = await addOrganization(db);
    const { session } = await stripeSide.checkOut({ organizationId }, "unpaid");
    await stripeSide.untilHandled();
    const before = await readSubscriptionOf(db, organizationId);

    account.simulator.endAsyncPayment(session, { succeeded });
    await stripeSide.untilHandled();

    expect(before).toBeUndefined();
    expect((await readSubscriptionOf(db, organizationId))?.status).toBe(status);
    await expect.poll(() => stripeSide.effectsOf(stripeSide.eventOf(type))).toHaveLength(1);
  },
);

test("an event delivered twenty times at once has one effect", async ({
  database: { db },
  account,
  stripeSide,
}) => {
  account.simulator.setSettings({ webhook_copies: 20 });
  await Promise.all([stripeSide.startWorker(), stripeSide.startWorker(), stripeSide.startWorker()]);
  const organizationId = await addOrganization(db);

  await stripeSide.checkOut({ organizationId });
  await stripeSide.untilHandled();

  const id = stripeSide.eventOf("checkout.session.completed");
  expect(account.simulator.deliveries({ event_id: id, outcome: "delivered" })).toHaveLength(20);
  await expect.poll(() => stripeSide.effectsOf(id)).toEqual(["linked"]);
  expect((await readInbox(db)).filter((event) => event.id === id)).toMatchObject([{ attempts: 1 }]);
});

test("events of one subscription, in any order and while it changes on, leave its newest state", async ({
  database: { db },
  account,
  stripeSide,
}) => {
  const { simulator } = account;
  await Promise.all([stripeSide.startWorker(), stripeSide.startWorker()]);
  const status = fc.constantFrom("active", "past_due", "unpaid", "paused", "trialing");
  const change = fc.record({ status, isReleased: fc.boolean() });
  const seeds = [1, 2, 3];

  for (const seed of seeds) {
    const [changes = []] = fc.sample(fc.array(change, { minLength: 20, maxLength: 20 }), {
      seed,
      numRuns: 1,
    });
    const organizationId = await addOrganization(db);
    const { subscription } = await stripeSide.checkOut({ organizationId });
    await stripeSide.untilHandled();
    simulator.setSettings({ webhook_hold: true, webhook_copies: 2 });
    const releases: Promise<unknown>[] = [];
    for (const { status: next, isReleased } of changes) {
      simulator.setSubscription(subscription, { status: next });
      if (isReleased) releases.push(simulator.release({ order: "shuffled", concurrent: true }));
    }
    releases.push(simulator.release({ order: "shuffled", concurrent: true }));
    await Promise.all(releases);
    simulator.setSettings({ webhook_hold: false, webhook_copies: 1 });
    await stripeSide.untilHandled();

    const { status: newest } = await account.stripe.subscriptions.retrieve(subscription);
    expect((await readSubscriptionOf(db, organizationId))?.status, `seed ${seed}`).toBe(newest);
  }
});

test("a subscription that was deleted stays deleted when an older update comes late", async ({
  database: { db },
  account: { simulator, stripe },
  stripeSide,
}) => {
  await stripeSide.startWorker();
  const organizationId = await addOrganization(db);
  const { subscription } = await stripeSide.checkOut({ organizationId });
  await stripeSide.untilHandled();
  simulator.setSettings({ webhook_hold: true });
  simulator.setSubscription(subscription, { status: "past_due" });
  await stripe.subscriptions.cancel(subscription);

  await simulator.release({ event_ids: [stripeSide.eventOf("customer.subscription.deleted")] });
  await stripeSide.untilHandled();
  const deleted = await readSubscriptionOf(db, organizationId);
  await simulator.release();
  await stripeSide.untilHandled();

  expect(deleted).toMatchObject({ status: "canceled" });
  expect(await readSubscriptionOf(db, organizationId)).toEqual(deleted);
});

test("the late word of a subscription that has ended leaves the one that follows it", async ({
  database: { db },
  account: { simulator, stripe },
  stripeSide,
}) => {
  await stripeSide.startWorker();
  const organizationId = await addOrganization(db);
  simulator.setSettings({ webhook_hold: true });
  const first = await stripeSide.checkOut({ organizationId });
  await stripe.subscriptions.cancel(first.subscription);
  const late = stripeSide.eventOf("checkout.session.completed");
  const second = await stripeSide.checkOut({ organizationId });

  await simulator.release({ event_ids: [stripeSide.eventOf("checkout.session.completed")] });
  await stripeSide.untilHandled();
  await simulator.release({ event_ids: [late] });
  await stripeSide.untilHandled();

  expect(await readSubscriptionOf(db, organizationId)).toMatchObject({ subscription: second.subscription });
});
