import { Stripe } from "stripe";
import { expect, test } from "vitest";
import { startSimulator } from "../start-simulator.ts";

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
