import type Stripe from "stripe";
import { expect } from "vitest";
import { cliTest as test } from "../testing/fixtures/cli-fixture.ts";

const setup = ["stripe", "setup"];
// Names that the account has no meters of yet.
const environment = { METER_READINGS_EVENT_NAME: "readings_2", METER_SENSORS_EVENT_NAME: "sensors_2" };

const listMeters = (stripe: Stripe) =>
  stripe.billing.meters.list({ limit: 100 }).autoPagingToArray({ limit: 1_000 });

test("both meters are made with the aggregation and keys that are billed by", async ({ cli, account }) => {
  expect(await cli.json(setup, { environment })).toMatchObject({
    meters: [
      { meter: "temperature_readings", event_name: "readings_2", action: "created" },
      { meter: "active_sensors", event_name: "sensors_2", action: "created" },
    ],
  });
  const shared = {
    status: "active",
    event_time_window: null,
    customer_mapping: { type: "by_id", event_payload_key: "stripe_customer_id" },
    value_settings: { event_payload_key: "value" },
  };
  const made = (await listMeters(account.stripe)).filter(({ event_name: name }) => name.endsWith("_2"));
  expect(made).toMatchObject([
    { ...shared, event_name: "sensors_2", default_aggregation: { formula: "last" } },
    { ...shared, event_name: "readings_2", default_aggregation: { formula: "sum" } },
  ]);
});

test("meters that are right are left alone, on whichever page they are", async ({ cli, account }) => {
  for (let number = 1; number <= 100; number += 1) {
    await account.stripe.billing.meters.create({
      display_name: "Other",
      event_name: `other_${number}`,
      default_aggregation: { formula: "sum" },
    });
  }

  expect(await cli.json(setup)).toMatchObject({
    meters: [
      { stripe_meter_id: account.meterIds.temperature_readings, action: "unchanged" },
      { stripe_meter_id: account.meterIds.active_sensors, action: "unchanged" },
    ],
  });
  expect(await listMeters(account.stripe)).toHaveLength(102);
});

test("an inactive meter is reactivated", async ({ cli, account }) => {
  await account.stripe.billing.meters.deactivate(account.meterIds.active_sensors);

  expect(await cli.json(setup)).toMatchObject({
    meters: [{ action: "unchanged" }, { meter: "active_sensors", action: "reactivated" }],
  });
  const meter = await account.stripe.billing.meters.retrieve(account.meterIds.active_sensors);
  expect(meter.status).toBe("active");
});

test.for<[string, Partial<Stripe.Billing.MeterCreateParams>]>([
  ["its formula is count instead of sum", { default_aggregation: { formula: "count" } }],
  [
    "its customer key is customer instead of stripe_customer_id",
    { customer_mapping: { type: "by_id", event_payload_key: "customer" } },
  ],
  ["its value key is amount instead of value", { value_settings: { event_payload_key: "amount" } }],
  ["it keeps only the last event of each hour (event_time_window)", { event_time_window: "hour" }],
])("a meter is refused when %s", async ([fault, settings], { cli, account }) => {
  await account.stripe.billing.meters.create({
    display_name: "Theirs",
    event_name: "readings_2",
    default_aggregation: { formula: "sum" },
    ...settings,
  });

  const { exitCode, out, err } = await cli(setup, { environment });
  expect({ exitCode, out }).toEqual({ exitCode: 1, out: "" });
  expect(err).toContain(fault);
  expect(err).toContain("set METER_READINGS_EVENT_NAME to another event name");
  expect(await listMeters(account.stripe)).toHaveLength(3);
});
