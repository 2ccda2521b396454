import { expect } from "vitest";
import { usedEventTypes } from "../../stripe/used-event-types.ts";
import { doctorTest as test, webhookEndpoint } from "../../testing/fixtures/doctor-fixture.ts";

const secretWords = /sk_(test|live)_\w+/;
const live = { environment: { STRIPE_SECRET_KEY: "sk_live_1" } };

test("a meter of the wrong aggregation is found", async ({ doctor, account }) => {
  await account.stripe.billing.meters.create({
    display_name: "Theirs",
    event_name: "theirs",
    default_aggregation: { formula: "count" },
  });
  const { exitCode, out } = await doctor.examine({ environment: { METER_SENSORS_EVENT_NAME: "theirs" } });

  expect(exitCode).toBe(1);
  expect(out).toMatch(
    /^meters +problem +theirs: its formula is count instead of last\. To do: .*stripe setup/m,
  );
});

test("an inactive meter is found", async ({ doctor, account }) => {
  await account.stripe.billing.meters.deactivate(account.meterIds.temperature_readings);
  const { exitCode, out } = await doctor.examine();

  expect(exitCode).toBe(1);
  expect(out).toMatch(/^meters +problem +temperature_readings: it is inactive\. To do: .*stripe setup/m);
});

test("a meter that does not exist is found", async ({ doctor }) => {
  const { out } = await doctor.examine({ environment: { METER_READINGS_EVENT_NAME: "nowhere" } });
  expect(out).toMatch(/^meters +problem +nowhere does not exist\./m);
});

test("a live key with test customers is found", async ({ doctor, road }) => {
  const { customer } = await road.join();
  const { exitCode, out } = await doctor.examine(live);

  expect(exitCode).toBe(1);
  expect(out).toMatch(
    new RegExp(`^key mode +problem +a live key, but customer ${customer} is a test customer`, "m"),
  );
});

test("a live key with test customers is found by what Stripe says of them, too", async ({ doctor, road }) => {
  const { customer } = await road.join();
  const message = `No such customer: '${customer}'; a similar object exists in test mode, but a live mode key was used to make this request.`;
  const error = { type: "invalid_request_error", code: "resource_missing", param: "id", message };
  doctor.stripeSays(`/v1/customers/${customer}`, { error }, 404);

  expect((await doctor.examine(live)).out).toMatch(/^key mode +problem .*is a test customer/m);
});

test("customers of another account, and deleted ones, are found", async ({ doctor, road, account }) => {
  const { customer: deleted } = await road.join();
  await account.stripe.customers.del(deleted);
  const { customer: foreign } = await road.join();
  const error = { type: "invalid_request_error", code: "resource_missing", message: "No such customer" };
  doctor.stripeSays(`/v1/customers/${foreign}`, { error }, 404);

  const { out } = await doctor.examine();
  expect(out).toContain(`customer ${deleted} was deleted`);
  expect(out).toContain(`customer ${foreign} does not exist`);
});

test("a Stripe that cannot be reached is found, and the key is not told", async ({ doctor }) => {
  const { exitCode, out } = await doctor.examine({ environment: { STRIPE_API_BASE: "http://127.0.0.1:1" } });

  expect(exitCode).toBe(1);
  expect(out).toMatch(/^stripe +problem +Stripe gave no answer: ECONNREFUSED\. To do: .*127\.0\.0\.1:1/m);
  expect(out).toMatch(/^database +ok/m);
  expect(out).not.toMatch(secretWords);
});

test("a key that was revoked is found, and not told", async ({ doctor, account }) => {
  account.simulator.setKey(account.secretKey, "revoked");
  const { exitCode, out, err } = await doctor.examine();

  expect(exitCode).toBe(1);
  expect(out).toMatch(/^stripe +problem +Stripe answered 401: /m);
  expect(out + err).not.toMatch(secretWords);
});

test("a key that is missing is found", async ({ doctor }) => {
  const { exitCode, out } = await doctor.examine({ environment: { STRIPE_SECRET_KEY: "" } });
  expect(exitCode).toBe(1);
  expect(out).toMatch(/^stripe +problem +STRIPE_SECRET_KEY is not set/m);
});

test.for([
  ["is missing", [], "none leads to /webhooks/stripe"],
  ["leads elsewhere", [{ ...webhookEndpoint, url: "https://example.com/hooks" }], "none leads to"],
  [
    "is disabled",
    [{ ...webhookEndpoint, status: "disabled" }],
    "https://api.example.com/webhooks/stripe is disabled",
  ],
  [
    "lacks types",
    [{ ...webhookEndpoint, enabled_events: usedEventTypes.slice(2) }],
    "does not get checkout.session.completed, checkout.session.async_payment_succeeded",
  ],
] as const)("a webhook endpoint that %s is found", async ([, endpoints, detail], { doctor }) => {
  doctor.listEndpoints(...endpoints);
  const { exitCode, out } = await doctor.examine();

  expect(exitCode).toBe(1);
  expect(out).toMatch(/^webhook endpoint +problem /m);
  expect(out).toContain(detail);
});

test("one endpoint with all used types is enough", async ({ doctor }) => {
  doctor.listEndpoints(
    { ...webhookEndpoint, id: "we_former", status: "disabled" },
    { ...webhookEndpoint, enabled_events: usedEventTypes },
  );
  expect(await doctor.examine()).toMatchObject({ exitCode: 0 });
});

test("what a restricted key may not read is said, and is no problem", async ({ doctor }) => {
  const error = {
    type: "invalid_request_error",
    message: "The provided key 'rk_test_1' lacks a permission.",
  };
  doctor.stripeSays("/v1/webhook_endpoints", { error }, 403);
  const { exitCode, out } = await doctor.examine();

  expect(exitCode).toBe(0);
  expect(out).toMatch(/^webhook endpoint +unchecked +the restricted key may not read/m);
  expect(out).toMatch(/^no problem found, 1 not checked$/m);
});

test("subscriptions and prices that a restricted key may not read are found", async ({ doctor }) => {
  const error = { type: "invalid_request_error", message: "The provided key lacks a permission." };
  doctor.stripeSays("/v1/subscriptions", { error }, 403);
  doctor.stripeSays("/v1/prices", { error }, 403);
  const { exitCode, out } = await doctor.examine();

  expect(exitCode).toBe(1);
  expect(out).toMatch(
    /^permissions +problem +the key may not read Subscriptions: .*; the key may not read Prices: .*\. To do: /m,
  );
});

test("a read that Stripe fails is a finding, and the rest goes on", async ({ doctor }) => {
  doctor.stripeSays("/v1/webhook_endpoints", { error: { type: "api_error", message: "try later" } }, 500);
  const { exitCode, out } = await doctor.examine();

  expect(exitCode).toBe(1);
  expect(out).toMatch(/^webhook endpoint +problem +Stripe answered 500: try later/m);
  expect(out).toMatch(/^meters +ok/m);
});

test("events that Stripe could not deliver are found, until the inbox has them", async ({
  doctor,
  account,
  cli,
}) => {
  const { simulator, stripe } = account;
  simulator.setSettings({ webhook_drop_next: 2 });
  simulator.addWebhookEndpoint({ url: "http://127.0.0.1:9/webhooks/stripe", secrets: ["whsec_1"] });
  const { id } = await stripe.customers.create({ name: "Acme" });
  await stripe.customers.del(id);
  const now = () => new Date(Date.now() + 120_000);
  const before = await doctor.examine({ now });
  await cli(["stripe", "replay", "--since", "1h"]);

  expect(before.exitCode).toBe(1);
  expect(before.out).toMatch(
    /^webhook deliveries +problem +Stripe could not deliver 1 events, the oldest of /m,
  );
  expect(before.out).toContain("STRIPE_WEBHOOK_SECRET");
  expect((await doctor.examine({ now })).out).not.toMatch(/^webhook deliveries +problem/m);
});

test("an event of the last minute may be on its way", async ({ doctor, account }) => {
  account.simulator.setSettings({ webhook_drop_next: 1 });
  account.simulator.addWebhookEndpoint({ url: "http://127.0.0.1:9", secrets: ["whsec_1"] });
  account.simulator.emit({ type: "invoice.paid", data: { object: { id: "in_1" } } });

  expect(await doctor.examine()).toMatchObject({ exitCode: 0 });
});

test("a key that may not write invoices is found where drafts are to be held", async ({
  doctor,
  account,
}) => {
  account.simulator.setKey(account.secretKey, "active", { invoices: "read" });

  const watching = await doctor.examine({}, ["--verbose"]);
  expect(watching.out).toContain("CLOSE_GATE=watch moves none");

  const holding = await doctor.examine({ environment: { CLOSE_GATE: "hold" } });
  expect(holding.exitCode).toBe(1);
  expect(holding.out).toContain("the key may not write invoices");
});
