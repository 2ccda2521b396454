import { afterEach, beforeEach, expect, test } from "vitest";
import { startSimulator, type RunningSimulator } from "../../src/simulator/start-simulator.ts";
import { startReceiver, type Receiver } from "../../src/simulator/webhooks/start-receiver.ts";
import { sendWebhooks } from "./simulator-control.ts";
import { openStripeAccount, type StripeAccount } from "./stripe-account.ts";
import { simulatorAt } from "./stripe-side.ts";
import { changePlan, subscribe, untilSubscribed } from "./subscribe.ts";
import type { Link, SubscriptionShown } from "./operator-api.ts";

const organizationId = "01a1fd9f-8459-7111-8a99-2db57b5d4006";

let running: RunningSimulator;
let receiver: Receiver;
let stripe: StripeAccount;
let linked: Link[];

const api = { linkCustomer: async (link: Link) => void linked.push(link) };

beforeEach(async () => {
  running = await startSimulator();
  receiver = await startReceiver();
  linked = [];
  stripe = await openStripeAccount(simulatorAt(running.url));
  await sendWebhooks(simulatorAt(running.url), { apiUrl: new URL(receiver.url).origin, secret: "whsec_one" });
});

afterEach(async () => {
  await running.stop();
  await receiver.stop();
});

test("at the simulator an organization subscribes by a checkout, which is told twice", async () => {
  const stripeCustomerId = await stripe.createCustomer("Alpine Dairy");
  await subscribe(deps(), { organizationId, stripeCustomerId }, "checkout");
  await running.simulator.deliveriesSettled();

  const completed = receiver.received.filter(({ body }) => body.includes("checkout.session.completed"));
  expect(linked).toEqual([]);
  expect(completed.map(({ body }) => JSON.parse(body) as unknown)).toEqual(
    Array.from({ length: 2 }, () =>
      expect.objectContaining({
        data: {
          object: expect.objectContaining({
            client_reference_id: organizationId,
            customer: stripeCustomerId,
            payment_status: "paid",
          }),
        },
      }),
    ),
  );
});

test("in a sandbox the operator links the customer, and no checkout is opened", async () => {
  const side = { ...simulatorAt(running.url), kind: "sandbox" as const };
  const stripeCustomerId = await stripe.createCustomer("Alpine Dairy");
  await subscribe({ api, stripe, side }, { organizationId, stripeCustomerId }, "checkout");
  await running.simulator.deliveriesSettled();

  expect(linked).toEqual([{ organizationId, stripeCustomerId }]);
  expect(receiver.types()).not.toContain("checkout.session.completed");
});

test("an organization that is linked by hand has a customer with a subscription, and no checkout", async () => {
  const stripeCustomerId = await stripe.createCustomer("Alpine Dairy");
  await subscribe(deps(), { organizationId, stripeCustomerId }, "by_hand");
  await running.simulator.deliveriesSettled();

  expect(linked).toEqual([{ organizationId, stripeCustomerId }]);
  expect(receiver.types()).toContain("customer.subscription.created");
  expect(receiver.types()).not.toContain("checkout.session.completed");
});

test("a changed plan is another subscription of the same customer, and the one of before ends", async () => {
  const stripeCustomerId = await stripe.createCustomer("Bering Seafood");
  await subscribe(deps(), { organizationId, stripeCustomerId }, "plan_change");
  const before = await stripe.keepNewestSubscription(stripeCustomerId);
  const after = await changePlan(deps(), { organizationId, stripeCustomerId });
  await running.simulator.deliveriesSettled();

  expect(after).not.toBe(before);
  const ended = receiver.received.filter(({ body }) => body.includes("customer.subscription.deleted"));
  expect(ended.every(({ body }) => body.includes(before))).toBe(true);
  expect(ended).toHaveLength(2);
});

function deps() {
  return { api, stripe, side: simulatorAt(running.url) };
}

const link = { organizationId: "01a1fd9f-8459-7111-8a99-2db57b5d4006", stripeCustomerId: "cus_1" };

test("an organization is subscribed when its subscription is active, this customer's and the one that is named", async () => {
  const shown: (SubscriptionShown | null)[] = [
    null,
    { status: "incomplete", stripe_customer_id: "cus_1", stripe_subscription_id: "sub_2" },
    { status: "active", stripe_customer_id: "cus_of_others", stripe_subscription_id: "sub_2" },
    { status: "active", stripe_customer_id: "cus_1", stripe_subscription_id: "sub_1" },
    { status: "active", stripe_customer_id: "cus_1", stripe_subscription_id: "sub_2" },
  ];
  const readSubscription = async () => shown.shift() ?? null;

  await untilSubscribed(
    { api: { readSubscription }, signal: new AbortController().signal },
    { ...link, stripeSubscriptionId: "sub_2" },
  );

  expect(shown).toEqual([]);
});

test("the wait ends when the demo is stopped", async () => {
  const reason = new Error("stopped");
  const notYet = { readSubscription: async () => null };

  await expect(untilSubscribed({ api: notYet, signal: AbortSignal.abort(reason) }, link)).rejects.toThrow(
    expect.objectContaining({ name: "AbortError", cause: reason }),
  );
});
