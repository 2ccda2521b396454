import { Stripe } from "stripe";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startSimulator, type RunningSimulator } from "../start-simulator.ts";
import { startReceiver, type Receiver } from "../webhooks/start-receiver.ts";

const thinTypes = ["v1.billing.meter.no_meter_found"];

let running: RunningSimulator;
let receiver: Receiver;
let stripe: Stripe;

beforeEach(async () => {
  running = await startSimulator();
  receiver = await startReceiver();
  const { host, port } = running;
  stripe = new Stripe("sk_test_x", { host, port, protocol: "http", maxNetworkRetries: 0 });
});

afterEach(async () => {
  await running.stop();
  await receiver.stop();
});

test("a destination shows URL and secret where they are asked for, and the secret once", async () => {
  const bare = await create();
  const full = await create({ include: ["webhook_endpoint.signing_secret", "webhook_endpoint.url"] });
  const { data } = await stripe.v2.core.eventDestinations.list({ include: ["webhook_endpoint.url"] });

  expect(bare.webhook_endpoint).toEqual({});
  expect(full.webhook_endpoint).toEqual({
    signing_secret: expect.stringMatching(/^whsec_/),
    url: receiver.url,
  });
  expect(data.map(({ webhook_endpoint: target }) => target)).toEqual([
    { url: receiver.url },
    { url: receiver.url },
  ]);
  expect((await stripe.webhookEndpoints.list()).data).toEqual([]);
});

test("a destination of thin events gets its types, signed by its secret", async () => {
  const { webhook_endpoint: target } = await create({ include: ["webhook_endpoint.signing_secret"] });
  await stripe.customers.create();
  for (const type of [...thinTypes, "v1.billing.meter.error_report_triggered"]) {
    running.simulator.emit({ object: "v2.core.event", type });
  }
  await running.simulator.deliveriesSettled();

  const { body = "", signature = "" } = receiver.received[0] ?? {};
  expect(receiver.types()).toEqual(thinTypes);
  expect(stripe.parseEventNotification(body, signature, target?.signing_secret ?? "")).toMatchObject({
    type: thinTypes[0],
  });
});

test("a destination is changed, disabled, enabled and deleted", async () => {
  const { id } = await create();
  const { eventDestinations } = stripe.v2.core;

  expect(await eventDestinations.disable(id)).toMatchObject({ status: "disabled" });
  running.simulator.emit({ object: "v2.core.event", type: thinTypes[0] ?? "" });
  expect(await eventDestinations.enable(id)).toMatchObject({ status: "enabled" });
  expect(await eventDestinations.update(id, { enabled_events: ["*"] })).toMatchObject({
    enabled_events: ["*"],
  });
  await eventDestinations.del(id);
  await expect(eventDestinations.retrieve(id)).rejects.toMatchObject({ statusCode: 404 });
  expect(receiver.received).toEqual([]);
});

test.each([
  ["a type of snapshot events", { enabled_events: ["customer.created"] }],
  ["no URL", { webhook_endpoint: { url: "example.com" } }],
  ["snapshots without a version", { event_payload: "snapshot", enabled_events: ["customer.created"] }],
] satisfies [string, Partial<Stripe.V2.Core.EventDestinationCreateParams>][])(
  "%s is refused",
  async (_, override) => {
    await expect(create(override)).rejects.toMatchObject({ statusCode: 400 });
  },
);

function create(override: Partial<Stripe.V2.Core.EventDestinationCreateParams> = {}) {
  return stripe.v2.core.eventDestinations.create({
    name: "Error reports",
    type: "webhook_endpoint",
    event_payload: "thin",
    enabled_events: thinTypes,
    webhook_endpoint: { url: receiver.url },
    ...override,
  });
}
