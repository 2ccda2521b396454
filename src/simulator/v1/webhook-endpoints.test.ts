import { Stripe } from "stripe";
import { expect, test } from "vitest";
import { startSimulator } from "../start-simulator.ts";
import { startReceiver } from "../webhooks/start-receiver.ts";

test("webhook endpoints are listed with what they are sent, those for thin events alone are not", async () => {
  const { simulator, host, port, stop } = await startSimulator();
  const stripe = new Stripe("sk_test_x", { host, port, protocol: "http", maxNetworkRetries: 0 });
  const url = "http://127.0.0.1:9/webhooks/stripe";
  simulator.addWebhookEndpoint({ url, secrets: ["whsec_1"], payload: "both", types: ["invoice.created"] });
  simulator.addWebhookEndpoint({ url, secrets: ["whsec_1"], payload: "thin" });

  const { data } = await stripe.webhookEndpoints.list();
  await stop();

  expect(data).toMatchObject([
    { object: "webhook_endpoint", url, status: "enabled", enabled_events: ["invoice.created"] },
  ]);
});

test("an endpoint made by Stripe's own call tells its secret once, and signs with it", async () => {
  await using site = await open();
  const { stripe, receiver, simulator } = site;
  const created = await stripe.webhookEndpoints.create({
    url: receiver.url,
    enabled_events: ["customer.created"],
    api_version: "2026-10-28.endive",
  });
  await stripe.customers.create();
  await stripe.products.create({ name: "Unasked" });
  await simulator.deliveriesSettled();

  const [received] = receiver.received;
  const { body = "", signature = "" } = received ?? {};
  expect(receiver.types()).toEqual(["customer.created"]);
  expect(stripe.webhooks.constructEvent(body, signature, created.secret ?? "")).toMatchObject({
    api_version: "2026-10-28.endive",
  });
  expect(await stripe.webhookEndpoints.retrieve(created.id)).not.toHaveProperty("secret");
});

test("an event says the version of its endpoint, and a disabled endpoint gets none", async () => {
  await using site = await open();
  const { stripe, receiver, simulator } = site;
  const { id } = await stripe.webhookEndpoints.create({
    url: receiver.url,
    enabled_events: ["*"],
    api_version: "2024-06-20",
  });
  await stripe.customers.create();
  await stripe.webhookEndpoints.update(id, { disabled: true });
  await stripe.customers.create();
  await simulator.deliveriesSettled();

  expect(receiver.received.map(({ body }) => JSON.parse(body).api_version)).toEqual(["2024-06-20"]);
  expect((await stripe.webhookEndpoints.list()).data).toMatchObject([{ id, status: "disabled" }]);
  expect(await stripe.webhookEndpoints.del(id)).toMatchObject({ deleted: true });
});

test.each([
  [{ url: "example.com/hook" }, "url"],
  [{ url: "ftp://example.com" }, "url"],
  [{ enabled_events: ["customer.*"] }, "enabled_events[0]"],
  [{ enabled_events: ["v1.billing.meter.no_meter_found"] }, "enabled_events[0]"],
  [{ api_version: "latest" }, "api_version"],
])("an endpoint with %j is refused", async (override, param) => {
  await using site = await open();
  const params = { url: "https://example.com", enabled_events: ["*"], ...override };

  await expect(
    site.stripe.webhookEndpoints.create(params as Stripe.WebhookEndpointCreateParams),
  ).rejects.toMatchObject({ statusCode: 400, param });
});

test("live mode takes HTTPS only, and the version of an endpoint never changes", async () => {
  await using site = await open();
  const { host, port, stripe } = site;
  const live = new Stripe("sk_live_x", { host, port, protocol: "http", maxNetworkRetries: 0 });
  const params = { url: "http://example.com", enabled_events: ["*" as const] };

  await expect(live.webhookEndpoints.create(params)).rejects.toMatchObject({ code: "url_invalid" });
  const { id } = await stripe.webhookEndpoints.create(params);
  const change = { api_version: "2024-06-20" } as Stripe.WebhookEndpointUpdateParams;
  await expect(stripe.webhookEndpoints.update(id, change)).rejects.toMatchObject({ param: "api_version" });
});

async function open() {
  const { simulator, host, port, stop } = await startSimulator();
  const receiver = await startReceiver();
  const stripe = new Stripe("sk_test_x", { host, port, protocol: "http", maxNetworkRetries: 0 });
  const close = async () => {
    await stop();
    await receiver.stop();
  };
  return { simulator, host, port, receiver, stripe, [Symbol.asyncDispose]: close };
}
