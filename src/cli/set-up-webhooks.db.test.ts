import Stripe from "stripe";
import { expect } from "vitest";
import { usedEventTypes, usedThinEventTypes } from "../stripe/used-event-types.ts";
import { cliTest as test } from "../testing/fixtures/cli-fixture.ts";

const url = "https://api.example.com/webhooks/stripe";
const setup = ["stripe", "setup", "--webhook", url];

test("both destinations are made, with the types that are used and our version, and their secrets are told", async ({
  cli,
  account: { stripe },
}) => {
  const { exitCode, out } = await cli(setup);
  const [endpoint] = (await stripe.webhookEndpoints.list()).data;
  const [destination] = (await stripe.v2.core.eventDestinations.list({ include: ["webhook_endpoint.url"] }))
    .data;

  expect(exitCode).toBe(0);
  expect(endpoint).toMatchObject({
    url,
    status: "enabled",
    enabled_events: usedEventTypes,
    api_version: Stripe.API_VERSION,
  });
  expect(destination).toMatchObject({
    event_payload: "thin",
    enabled_events: usedThinEventTypes,
    webhook_endpoint: { url },
  });
  expect(out).toMatch(/^whsec_\w+,whsec_\w+$/m);
});

test("repeated, it finds both, says so, and tells no secret", async ({ cli, account: { stripe } }) => {
  await cli(setup);
  const { exitCode, out } = await cli(setup);

  expect(exitCode).toBe(0);
  expect(out).toMatch(/^snapshot +we_\w+ +unchanged/m);
  expect(out).toMatch(/^thin +ed_\w+ +unchanged/m);
  expect(out).not.toContain("whsec_");
  expect((await stripe.webhookEndpoints.list()).data).toHaveLength(1);
  expect((await stripe.v2.core.eventDestinations.list()).data).toHaveLength(1);
});

test("what is disabled or lacks types is mended, and told", async ({ cli, account: { stripe } }) => {
  await cli(setup);
  const [endpoint] = (await stripe.webhookEndpoints.list()).data;
  const [destination] = (await stripe.v2.core.eventDestinations.list()).data;
  await stripe.webhookEndpoints.update(endpoint?.id ?? "", {
    disabled: true,
    enabled_events: ["customer.deleted", "invoice.voided"],
  });
  await stripe.v2.core.eventDestinations.update(destination?.id ?? "", {
    enabled_events: usedThinEventTypes.slice(1),
  });
  await stripe.v2.core.eventDestinations.disable(destination?.id ?? "");

  const { webhooks } = await cli.json(setup);
  expect(webhooks).toMatchObject([
    {
      action: "changed",
      changes: ["it was disabled and is enabled again", expect.stringContaining("invoice.paid")],
    },
    {
      action: "changed",
      changes: ["it was disabled and is enabled again", `it lacked ${String(usedThinEventTypes[0])}`],
    },
  ]);
  const mended = await stripe.webhookEndpoints.retrieve(endpoint?.id ?? "");
  expect(mended.status).toBe("enabled");
  expect(mended.enabled_events).toEqual(expect.arrayContaining([...usedEventTypes, "invoice.voided"]));
  expect((await cli.json(setup))["webhooks"]).toMatchObject([
    { action: "unchanged" },
    { action: "unchanged" },
  ]);
});

test("an endpoint of another version is refused with the way out, and the other destination is made", async ({
  cli,
  account: { stripe },
}) => {
  await stripe.webhookEndpoints.create({ url, enabled_events: ["*"], api_version: "2024-06-20" });
  const { exitCode, out } = await cli(setup);

  expect(exitCode).toBe(1);
  expect(out).toContain(`its API version is 2024-06-20, not ${Stripe.API_VERSION}`);
  expect(out).toContain("delete it at Stripe, and run this again");
  expect(out).toMatch(/^thin +ed_\w+ +created/m);
  expect(out).toMatch(/^whsec_\w+$/m);
});

test("a destination that Stripe refuses does not lose the other's secret", async ({
  cli,
  account: { simulator },
}) => {
  simulator.addFault({ path: "/v2/core/event_destinations", kind: "status", status: 503, times: 9 });
  const { exitCode, out } = await cli(setup);

  expect(exitCode).toBe(1);
  expect(out).toMatch(/^thin .* refused .*503/m);
  expect(out).toMatch(/^whsec_\w+$/m);
});

test.for<[string, string]>([
  ["api.example.com/webhooks/stripe", "must be a whole URL"],
  ["ftp://api.example.com/webhooks/stripe", "must be a whole URL"],
  ["https://api.example.com", "must end with /webhooks/stripe"],
  ["https://a:b@api.example.com/webhooks/stripe", "must have neither credentials"],
  ["https://api.example.com/webhooks/stripe?a=b", "nor a query"],
])("%s is wrong usage: %s", async ([wrong, words], { cli, account: { stripe } }) => {
  const { exitCode, out, err } = await cli(["stripe", "setup", "--webhook", wrong]);

  expect({ exitCode, out }).toEqual({ exitCode: 2, out: "" });
  expect(err).toContain(words);
  expect((await stripe.webhookEndpoints.list()).data).toEqual([]);
});

test("a live key takes https only", async ({ cli }) => {
  const environment = { STRIPE_SECRET_KEY: "sk_live_of_the_test" };
  const plain = url.replace("https", "http");
  const { exitCode, err } = await cli(["stripe", "setup", "--webhook", plain], { environment });

  expect(exitCode).toBe(2);
  expect(err).toContain("must begin with https:// for a live key");
});

test("prices are made for meters without one, of one product, once", async ({ cli, account }) => {
  const { stripe, priceIds, meterIds } = account;
  await stripe.prices.update(priceIds.active_sensors, { active: false });
  const prices = ["stripe", "setup", "--prices"];
  const first = await cli.json(prices);
  const second = await cli.json(prices);

  expect(first["prices"]).toMatchObject([
    { meter: "temperature_readings", stripe_price_id: priceIds.temperature_readings, action: "unchanged" },
    { meter: "active_sensors", action: "created" },
  ]);
  expect(second["prices"]).toMatchObject([{ action: "unchanged" }, { action: "unchanged" }]);
  const made = await stripe.prices.list({ active: true, recurring: { meter: meterIds.active_sensors } });
  expect(made.data).toMatchObject([
    { product: "meter_outbox", currency: "usd", recurring: { usage_type: "metered", interval: "month" } },
  ]);
});

test("of a live account somebody has to say what usage costs", async ({
  cli,
  account: { stripe, priceIds },
}) => {
  const environment = { STRIPE_SECRET_KEY: "sk_live_of_the_test" };
  const prices = ["stripe", "setup", "--prices", "--currency", "eur"];
  for (const id of Object.values(priceIds)) await stripe.prices.update(id, { active: false });
  const { exitCode, err } = await cli([...prices, "--sensor-amount", "120"], { environment });
  const given = await cli.json([...prices, "--sensor-amount", "120", "--reading-amount", "0.05"], {
    environment,
  });

  expect(exitCode).toBe(1);
  expect(err).toContain("--reading-amount has to be given");
  expect(given["prices"]).toMatchObject([{ action: "created" }, { action: "created" }]);
  const amounts = (await stripe.prices.list({ active: true })).data.map((price) => price.unit_amount_decimal);
  expect(amounts.map(String).toSorted()).toEqual(["0.05", "120"]);
});
