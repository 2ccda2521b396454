import { Stripe } from "stripe";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startSimulator, type RunningSimulator } from "../start-simulator.ts";
import { makePrice } from "./make-price.ts";

const nowSeconds = Date.parse("2026-11-20T10:00:00Z") / 1000;
const day = 86_400;

let running: RunningSimulator;
let stripe: Stripe;
let price: string;

beforeEach(async () => {
  running = await startSimulator({ customers: ["cus_1"] });
  running.simulator.setClock({ now: nowSeconds, frozen: true });
  const { host, port } = running;
  stripe = new Stripe("sk_test_x", { host, port, protocol: "http", maxNetworkRetries: 0 });
  price = await makePrice(stripe);
});

afterEach(() => running.stop());

test("a session is open until it is completed", async () => {
  const session = await open({ client_reference_id: "org_1", metadata: { organization_id: "1" } });

  expect(session).toMatchObject({
    object: "checkout.session",
    mode: "subscription",
    status: "open",
    payment_status: "unpaid",
    client_reference_id: "org_1",
    customer: null,
    subscription: null,
    metadata: { organization_id: "1" },
    success_url: "https://example.com/thanks",
  });
  expect(await stripe.checkout.sessions.retrieve(session.id)).toEqual(session);
});

test("completing makes customer, subscription and a paid invoice, and tells of each", async () => {
  const { id } = await open();
  running.simulator.completeCheckout(id);

  expect(types()).toEqual([
    "customer.created",
    "customer.subscription.created",
    "invoice.created",
    "invoice.finalized",
    "invoice.paid",
    "checkout.session.completed",
  ]);
});

test("a completed session names customer and subscription, which are there to read", async () => {
  const { id } = await open({ customer_email: "a@example.com" });
  const { customer, subscription } = running.simulator.completeCheckout(id);

  expect(await stripe.checkout.sessions.retrieve(id)).toMatchObject({
    status: "complete",
    payment_status: "paid",
    customer,
    subscription,
  });
  expect(await stripe.customers.retrieve(customer ?? "")).toMatchObject({ email: "a@example.com" });
  expect(await stripe.subscriptions.retrieve(subscription ?? "")).toMatchObject({
    status: "active",
    customer,
    items: { data: [{ price: { id: price } }] },
  });
});

test("the event of a completed session holds what a receiver links by", async () => {
  const { id } = await open({ customer: "cus_1", client_reference_id: "org_1" });
  const { subscription } = running.simulator.completeCheckout(id);
  const { data } = await stripe.events.list({ type: "checkout.session.completed" });

  expect(data).toMatchObject([
    { data: { object: { id, customer: "cus_1", subscription, client_reference_id: "org_1" } } },
  ]);
});

test("a session for a customer makes no other", async () => {
  const { id } = await open({ customer: "cus_1" });
  running.simulator.completeCheckout(id);

  expect(types()).not.toContain("customer.created");
});

test("with a trial the subscription is `trialing` and no payment is required", async () => {
  const { id } = await open({ subscription_data: { trial_period_days: 14, metadata: { plan: "a" } } });
  const { payment_status: paymentStatus, subscription } = running.simulator.completeCheckout(id);

  expect(paymentStatus).toBe("no_payment_required");
  expect(await stripe.subscriptions.retrieve(subscription ?? "")).toMatchObject({
    status: "trialing",
    trial_end: nowSeconds + 14 * day,
    metadata: { plan: "a" },
  });
});

test.each([
  [true, "checkout.session.async_payment_succeeded", "paid", "active"],
  [false, "checkout.session.async_payment_failed", "unpaid", "incomplete_expired"],
])("a payment that takes days ends well: %s", async (succeeded, type, paymentStatus, status) => {
  const { id } = await open();
  const completed = running.simulator.completeCheckout(id, { async: true });
  const before = await stripe.subscriptions.retrieve(completed.subscription ?? "");
  running.simulator.endAsyncPayment(id, { succeeded });

  expect(completed.payment_status).toBe("unpaid");
  expect(before.status).toBe("incomplete");
  expect(types().at(-1)).toBe(type);
  expect(await stripe.checkout.sessions.retrieve(id)).toMatchObject({ payment_status: paymentStatus });
  expect(await stripe.subscriptions.retrieve(before.id)).toMatchObject({ status });
});

test("a session completes only once", async () => {
  const { id } = await open();
  running.simulator.completeCheckout(id);

  expect(() => running.simulator.completeCheckout(id)).toThrow(id);
});

test("over HTTP it is completed and its payment ended by the same fields", async () => {
  const { id } = await open();
  const completed = await control(`checkout/${id}/complete`, { payment_status: "unpaid" });
  const ended = await control(`checkout/${id}/async_payment`, { succeeded: true });
  const again = await control(`checkout/${id}/complete`, {});

  expect(await completed.json()).toMatchObject({ id, payment_status: "unpaid" });
  expect(await ended.json()).toMatchObject({ id, payment_status: "paid" });
  expect(again.status).toBe(404);
});

test.each([
  ["another mode", { mode: "payment" }, "mode"],
  ["a customer that does not exist", { customer: "cus_none" }, "customer"],
  [
    "a trial of no days",
    { subscription_data: { trial_period_days: 0 } },
    "subscription_data[trial_period_days]",
  ],
] satisfies [string, Stripe.Checkout.SessionCreateParams, string][])(
  "%s is refused",
  async (_, params, param) => {
    await expect(open(params)).rejects.toMatchObject({ statusCode: 400, param });
  },
);

function open(override: Stripe.Checkout.SessionCreateParams = {}) {
  return stripe.checkout.sessions.create({
    mode: "subscription",
    line_items: [{ price: price, quantity: 1 }],
    success_url: "https://example.com/thanks",
    ...override,
  });
}

/** The types of events, without those of the price that each test makes first. */
function types(): unknown[] {
  return running.simulator
    .events()
    .map(({ type }) => type)
    .filter((type) => !/^(?:product|price)\./.test(String(type)));
}

function control(path: string, body: object): Promise<Response> {
  return fetch(`${running.url}/_simulator/${path}`, { method: "POST", body: JSON.stringify(body) });
}
