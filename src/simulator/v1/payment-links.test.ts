import { Stripe } from "stripe";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startSimulator, type RunningSimulator } from "../start-simulator.ts";
import { makePrice } from "./make-price.ts";

let running: RunningSimulator;
let stripe: Stripe;
let link: Stripe.PaymentLink;

beforeEach(async () => {
  running = await startSimulator();
  const { host, port } = running;
  stripe = new Stripe("sk_test_x", { host, port, protocol: "http", maxNetworkRetries: 0 });
  link = await stripe.paymentLinks.create({
    line_items: [{ price: await makePrice(stripe), quantity: 1 }],
    metadata: { organization_id: "ours" },
    subscription_data: { metadata: { plan: "a" } },
  });
});

afterEach(() => running.stop());

test("a link's session has the link's metadata, and the reference that its visitor put into the URL", async () => {
  const { id } = running.simulator.openPaymentLink(`${link.url}?client_reference_id=of_a-stranger`);
  const session = await stripe.checkout.sessions.retrieve(id);

  expect(session).toMatchObject({
    status: "open",
    payment_link: link.id,
    client_reference_id: "of_a-stranger",
    metadata: { organization_id: "ours" },
  });
  const { subscription } = running.simulator.completeCheckout(id);
  expect(await stripe.subscriptions.retrieve(subscription ?? "")).toMatchObject({ metadata: { plan: "a" } });
});

test("a reference that is no plain word is dropped", () => {
  const { client_reference_id: reference } = running.simulator.openPaymentLink(
    `${link.url}?client_reference_id=${encodeURIComponent("a b")}`,
  );

  expect(reference).toBeNull();
});

test("metadata of a visitor's own is none", () => {
  const { metadata } = running.simulator.openPaymentLink(`${link.url}?metadata[organization_id]=theirs`);

  expect(metadata).toEqual({ organization_id: "ours" });
});

test("an inactive link opens nothing, and no link can be deleted", async () => {
  await stripe.paymentLinks.update(link.id, { active: false });

  expect(() => running.simulator.openPaymentLink(link.url)).toThrow(link.url);
  expect((await stripe.paymentLinks.list({ active: true })).data).toEqual([]);
});

test("a link itself has no reference", async () => {
  const params = { line_items: [], client_reference_id: "a" } as Stripe.PaymentLinkCreateParams;

  await expect(stripe.paymentLinks.create(params)).rejects.toMatchObject({ param: "client_reference_id" });
});
