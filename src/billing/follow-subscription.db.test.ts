import fc from "fast-check";
import type { Stripe } from "stripe";
import { expect } from "vitest";
import { readInbox, readSubscriptionOf } from "../testing/rows/inbox.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { stripeSideTest } from "../testing/fixtures/stripe-side-fixture.ts";

const test = stripeSideTest.extend("shop", async ({ database: { db }, account, stripeSide }) => {
  const { stripe, priceIds } = account;
  const { id: licensed } = await stripe.prices.create({
    currency: "usd",
    unit_amount: 900,
    product_data: { name: "Support" },
    recurring: { interval: "month" },
  });
  await Promise.all([stripeSide.startWorker(), stripeSide.startWorker()]);
  return {
    /** An organization whose customer was linked by hand, as the README does. */
    join: async () => {
      const { id: customer } = await stripe.customers.create({ name: "Acme" });
      return { id: await addOrganization(db, { customer }), customer };
    },
    subscribe: (customer: string, what: "ours" | "support") =>
      stripe.subscriptions.create({
        customer,
        items: [{ price: what === "ours" ? priceIds.temperature_readings : licensed }],
      }),
    failed: async () => (await readInbox(db)).filter(({ state }) => state === "failed"),
  };
});

const words = [
  "active",
  "trialing",
  "past_due",
  "paused",
  "unpaid",
  "incomplete",
  "incomplete_expired",
  "canceled",
];
const steps = fc.array(
  fc.oneof(
    fc.record({ make: fc.constantFrom("ours" as const, "ours" as const, "support" as const) }),
    fc.record({ of: fc.nat({ max: 5 }), becomes: fc.constantFrom(...words) }),
  ),
  { minLength: 4, maxLength: 10 },
);

test("whatever the order and repetition of events, the row is the best subscription of ours at Stripe", async ({
  database: { db },
  account: { simulator, stripe, meterIds },
  stripeSide,
  shop,
}) => {
  const samples = fc.sample(fc.tuple(steps, fc.boolean()), { seed: 12, numRuns: 8 });
  const members: { id: string; customer: string }[] = [];
  for (const [taken, isHeldToTheEnd] of samples) {
    const member = await shop.join();
    members.push(member);
    simulator.setSettings({ webhook_hold: true, webhook_copies: 2 });
    const made: string[] = [];
    const releases: Promise<unknown>[] = [];
    for (const step of taken) {
      if ("make" in step) made.push((await shop.subscribe(member.customer, step.make)).id);
      else if (made.length > 0) {
        const status = step.becomes as Stripe.Subscription.Status & "active";
        simulator.setSubscription(made[step.of % made.length] ?? "", { status });
      }
      if (!isHeldToTheEnd) releases.push(simulator.release({ order: "shuffled", concurrent: true }));
    }
    releases.push(simulator.release({ order: "shuffled", concurrent: true }));
    await Promise.all(releases);
  }
  simulator.setSettings({ webhook_hold: false, webhook_copies: 1 });
  await stripeSide.untilHandled();

  for (const [n, { id, customer }] of members.entries()) {
    const { data } = await stripe.subscriptions.list({ customer, status: "all", limit: 100 });
    const best = bestOf(data, meterIds.temperature_readings);
    const expected = { customer, subscription: best?.id ?? null, status: best?.status ?? "active" };
    expect(await readSubscriptionOf(db, id), `sample ${n}`).toEqual(expected);
  }
});

/** The same rule, written in another way than the code: worst and oldest last. */
function bestOf(listed: readonly Stripe.Subscription[], meter: string): Stripe.Subscription | undefined {
  const order = [
    ["active", "trialing", "past_due"],
    ["paused", "unpaid", "incomplete"],
    ["canceled", "incomplete_expired"],
  ];
  const ours = listed.filter(({ items }) => items.data.some(({ price }) => price.recurring?.meter === meter));
  for (const group of order) {
    const found = ours.filter(({ status }) => group.includes(status));
    const newest = Math.max(...found.map(({ created }) => created));
    if (found.length > 0) return found.find(({ created }) => created === newest);
  }
  return undefined;
}

test("a subscription that follows another of the same customer is followed", async ({
  database: { db },
  account: { stripe, priceIds },
  stripeSide,
  shop,
}) => {
  const organizationId = await addOrganization(db);
  const first = await stripeSide.checkOut({ organizationId });
  await stripeSide.untilHandled();
  await stripe.subscriptions.cancel(first.subscription);
  await stripeSide.untilHandled();
  const between = await readSubscriptionOf(db, organizationId);
  const next = await stripe.subscriptions.create({
    customer: first.customer,
    items: [{ price: priceIds.active_sensors }],
  });
  await stripeSide.untilHandled();

  expect(between).toMatchObject({ subscription: first.subscription, status: "canceled" });
  expect(await readSubscriptionOf(db, organizationId)).toMatchObject({
    subscription: next.id,
    status: "active",
  });
  expect(await shop.failed()).toEqual([]);
});

test("of a customer linked by hand no subscription of others is adopted, and it keeps what the PUT said", async ({
  database: { db },
  account: { stripe },
  stripeSide,
  shop,
}) => {
  const { id, customer } = await shop.join();
  const support = await shop.subscribe(customer, "support");
  await stripe.subscriptions.cancel(support.id);
  await stripeSide.untilHandled();

  expect(await readSubscriptionOf(db, id)).toEqual({ customer, subscription: null, status: "active" });
});

test("a second checkout that is not paid yet replaces no running subscription", async ({
  database: { db },
  account: { simulator },
  stripeSide,
}) => {
  await stripeSide.startWorker();
  const organizationId = await addOrganization(db);
  const first = await stripeSide.checkOut({ organizationId });
  await stripeSide.untilHandled();
  const second = await stripeSide.checkOut({ organizationId, customer: first.customer });
  simulator.setSubscription(second.subscription, { status: "incomplete" });
  await stripeSide.untilHandled();

  expect(await readSubscriptionOf(db, organizationId)).toMatchObject({
    subscription: first.subscription,
    status: "active",
  });
});

test("a checkout moves no running link to another customer: it is a dead letter", async ({
  database: { db },
  account: { stripe },
  stripeSide,
  shop,
}) => {
  const organizationId = await addOrganization(db);
  const victim = await stripeSide.checkOut({ organizationId });
  await stripeSide.untilHandled();
  const stranger = await stripeSide.checkOut({ organizationId });
  await stripe.subscriptions.cancel(stranger.subscription);
  await stripeSide.untilHandled();

  expect(await readSubscriptionOf(db, organizationId)).toMatchObject({
    customer: victim.customer,
    subscription: victim.subscription,
    status: "active",
  });
  expect(await shop.failed()).toMatchObject([
    {
      type: "checkout.session.completed",
      error: `would_move_link: the organization is linked to ${victim.customer}, not to ${stranger.customer}`,
    },
  ]);
});

test("a link whose subscription has ended at Stripe is moved, even if that was not told yet", async ({
  database: { db },
  account: { simulator, stripe },
  stripeSide,
}) => {
  await stripeSide.startWorker();
  const organizationId = await addOrganization(db);
  const first = await stripeSide.checkOut({ organizationId });
  await stripeSide.untilHandled();
  simulator.setSettings({ webhook_hold: true });
  await stripe.subscriptions.cancel(first.subscription);
  const second = await stripeSide.checkOut({ organizationId });
  await simulator.release({ event_ids: [stripeSide.eventOf("checkout.session.completed")] });
  await stripeSide.untilHandled();

  expect(await readSubscriptionOf(db, organizationId)).toMatchObject({ customer: second.customer });
});

test("a checkout with the customer of another organization is a dead letter that names the other", async ({
  database: { db },
  stripeSide,
  shop,
}) => {
  const owner = await addOrganization(db);
  const { customer } = await stripeSide.checkOut({ organizationId: owner });
  await stripeSide.untilHandled();
  const other = await addOrganization(db);
  await stripeSide.checkOut({ organizationId: other, customer });
  await stripeSide.untilHandled();

  expect(await readSubscriptionOf(db, other)).toBeUndefined();
  expect(await shop.failed()).toMatchObject([
    { error: `customer_taken: ${customer} is linked to organization ${owner}` },
  ]);
});

test("a checkout for something else links nobody, and says so", async ({
  database: { db },
  account: { simulator, stripe },
  stripeSide,
  shop,
}) => {
  const id = await addOrganization(db);
  const { id: session } = await stripe.checkout.sessions.create({
    mode: "subscription",
    line_items: [{ price: (await supportPrice(stripe)).id, quantity: 1 }],
    success_url: "https://example.com",
    metadata: { organization_id: id },
  });
  const { customer } = simulator.completeCheckout(session);
  await stripeSide.untilHandled();

  expect(await readSubscriptionOf(db, id)).toBeUndefined();
  expect(await shop.failed()).toMatchObject([{ error: `no subscription of ${customer} bills our meters` }]);
});

function supportPrice(stripe: Stripe) {
  return stripe.prices.create({
    currency: "usd",
    unit_amount: 900,
    product_data: { name: "Support" },
    recurring: { interval: "month" },
  });
}
