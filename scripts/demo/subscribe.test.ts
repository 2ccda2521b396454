import { afterEach, beforeEach, expect, test } from "vitest";
import { type RunningSimulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { type Receiver, startReceiver } from "../../src/simulator/webhooks/start-receiver.ts";
import { sendWebhooks } from "./simulator-webhooks.ts";
import { openStripeAccount, type StripeAccount } from "./stripe-account.ts";
import { simulatorAt } from "./stripe-side.ts";
import { type Link, subscribe } from "./subscribe.ts";

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
  await subscribe({ api, stripe, side: simulatorAt(running.url) }, { organizationId, stripeCustomerId });
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
  await subscribe({ api, stripe, side }, { organizationId, stripeCustomerId });
  await running.simulator.deliveriesSettled();

  expect(linked).toEqual([{ organizationId, stripeCustomerId }]);
  expect(receiver.types()).not.toContain("checkout.session.completed");
});
