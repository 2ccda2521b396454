import { Stripe } from "stripe";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startSimulator, type RunningSimulator } from "../start-simulator.ts";
import { makePrice } from "./make-price.ts";

const nowSeconds = Date.parse("2026-11-20T10:00:00Z") / 1000;
const nextMonth = Date.parse("2026-12-20T10:00:00Z") / 1000;
const monthAfter = Date.parse("2027-01-20T10:00:00Z") / 1000;

let running: RunningSimulator;
let stripe: Stripe;
let price: string;
let id: string;

beforeEach(async () => {
  running = await startSimulator({ customers: ["cus_1"] });
  running.simulator.setClock({ now: nowSeconds, frozen: true });
  const { host, port } = running;
  stripe = new Stripe("sk_test_x", { host, port, protocol: "http", maxNetworkRetries: 0 });
  price = await makePrice(stripe);
  ({ id } = await stripe.subscriptions.create({ customer: "cus_1", items: [{ price }] }));
});

afterEach(() => running.stop());

test("creation, updates and the end are told", async () => {
  await stripe.subscriptions.update(id, { metadata: { plan: "a" } });
  await stripe.subscriptions.cancel(id);

  expect(types()).toEqual([
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
  ]);
});

test("pausing and resuming are told beside the update; pausing ends the period, and resuming begins a new one", async () => {
  running.simulator.setClock({ advance_seconds: 3_600 });
  const paused = await stripe.subscriptions.pause(id);
  running.simulator.setClock({ advance_seconds: 3_600 });
  const resumed = await stripe.subscriptions.resume(id);

  expect(paused).toMatchObject({
    status: "paused",
    items: { data: [{ current_period_end: nowSeconds + 3_600 }] },
  });
  expect(resumed).toMatchObject({
    status: "active",
    items: { data: [{ current_period_start: nowSeconds + 7_200 }] },
  });
  expect(types().slice(1)).toEqual([
    "customer.subscription.updated",
    "customer.subscription.paused",
    "customer.subscription.updated",
    "customer.subscription.resumed",
  ]);
});

test("only a paused subscription can be resumed, and only a running one paused", async () => {
  await expect(stripe.subscriptions.resume(id)).rejects.toMatchObject({ statusCode: 400 });
  await stripe.subscriptions.cancel(id);
  await expect(stripe.subscriptions.pause(id)).rejects.toMatchObject({ statusCode: 400 });
});

test("a status set by hand is told like any other", () => {
  running.simulator.setSubscription(id, { status: "past_due" });
  running.simulator.setSubscription(id, { status: "canceled" });

  expect(types().slice(1)).toEqual(["customer.subscription.updated", "customer.subscription.deleted"]);
});

test("a cycle ends the period, and its invoice is a draft that names subscription and ended period", async () => {
  const { invoice } = running.simulator.cycleSubscription(id);
  const { items } = await stripe.subscriptions.retrieve(id);

  expect(types().slice(1)).toEqual(["invoice.created", "customer.subscription.updated"]);
  expect(items.data).toMatchObject([{ current_period_start: nextMonth, current_period_end: monthAfter }]);
  expect(await stripe.invoices.retrieve(invoice.id)).toMatchObject({
    object: "invoice",
    status: "draft",
    billing_reason: "subscription_cycle",
    customer: "cus_1",
    period_start: nowSeconds,
    period_end: nextMonth,
    parent: { subscription_details: { subscription: id } },
  });
});

test("a cycle whose payment fails leaves the subscription past due, and one that is paid repairs it", async () => {
  running.simulator.cycleSubscription(id, { payment: "failed" });
  const failed = await stripe.subscriptions.retrieve(id);
  running.simulator.cycleSubscription(id, { payment: "paid" });

  expect(failed.status).toBe("past_due");
  expect(await stripe.subscriptions.retrieve(id)).toMatchObject({ status: "active" });
  expect(types().slice(3)).toEqual([
    "invoice.finalized",
    "invoice.payment_failed",
    "customer.subscription.updated",
    "invoice.created",
    "customer.subscription.updated",
    "invoice.finalized",
    "invoice.paid",
    "customer.subscription.updated",
  ]);
});

test("a clock that is set past the end of a period ends it once, and tells so", () => {
  running.simulator.setClock({ now: nextMonth });

  expect(types().slice(1)).toEqual(["invoice.created", "customer.subscription.updated"]);
});

test("a subscription cancelled at the period's end has a last invoice, and is deleted then", async () => {
  await stripe.subscriptions.update(id, { cancel_at_period_end: true });
  running.simulator.setClock({ now: nextMonth });

  expect(types().slice(2)).toEqual(["invoice.created", "customer.subscription.deleted"]);
});

test("a subscription cancelled at once has a last invoice only with `invoice_now`, of the usage until then", async () => {
  const other = await stripe.subscriptions.create({ customer: "cus_1", items: [{ price }] });
  running.simulator.setClock({ advance_seconds: 3_600 });
  await stripe.subscriptions.cancel(other.id);
  expect(types()).not.toContain("invoice.created");

  const { ended_at: end } = await stripe.subscriptions.cancel(id, { invoice_now: true });

  expect(types().slice(-2)).toEqual(["customer.subscription.deleted", "invoice.created"]);
  const { data } = await stripe.invoices.list({ subscription: id });
  expect(data[0]).toMatchObject({ status: "draft", period_start: nowSeconds, period_end: end });
  expect(end).toBe(nowSeconds + 3_600);
});

test("over HTTP a cycle answers with subscription and invoice", async () => {
  const response = await fetch(`${running.url}/_simulator/subscriptions/${id}/cycle`, {
    method: "POST",
    body: JSON.stringify({ payment: "paid" }),
  });

  expect(await response.json()).toMatchObject({
    subscription: { id, status: "active" },
    invoice: { status: "paid", parent: { subscription_details: { subscription: id } } },
  });
});

/** The types of events, without those of the price that each test makes first. */
function types(): unknown[] {
  return running.simulator
    .events()
    .map(({ type }) => type)
    .filter((type) => !/^(?:product|price)\./.test(String(type)));
}
