import { Stripe } from "stripe";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startSimulator, type RunningSimulator } from "../start-simulator.ts";

const hourSeconds = 3_600;
const day = 24 * hourSeconds;
const midnight = Date.parse("2026-11-19T00:00:00Z") / 1000;

let running: RunningSimulator;
let stripe: Stripe;

beforeEach(async () => {
  running = await startSimulator({
    meters: [
      { event_name: "sum", formula: "sum" },
      { event_name: "count", formula: "count" },
      { event_name: "last", formula: "last" },
    ],
    customers: ["cus_1", "cus_2"],
  });
  running.simulator.setClock({ now: midnight + day, frozen: true });
  const { host, port } = running;
  stripe = new Stripe("sk_test_x", { host, port, protocol: "http", maxNetworkRetries: 0 });
});

afterEach(() => running.stop());

test("without a window there is one total of [start, end)", async () => {
  await send("sum", "1", midnight - 1);
  await send("sum", "2", midnight);
  await send("sum", "4", midnight + hourSeconds - 1);
  await send("sum", "8", midnight + hourSeconds);
  const { data } = await summaries("sum", { end_time: midnight + hourSeconds });

  expect(data).toMatchObject([
    {
      object: "billing.meter_event_summary",
      aggregated_value: 6,
      start_time: midnight,
      end_time: midnight + hourSeconds,
    },
  ]);
});

test("a range that begins and ends inside hours counts by the minute", async () => {
  await send("sum", "1", midnight + 59);
  await send("sum", "2", midnight + 60);
  await send("sum", "4", midnight + hourSeconds + 119);
  await send("sum", "8", midnight + hourSeconds + 120);

  expect(await total("sum", { start_time: midnight + 60, end_time: midnight + hourSeconds + 120 })).toBe(6);
});

test("a range without usage has a total of 0", async () => {
  expect(await total("sum", {})).toBe(0);
});

test("decimals and negatives add up exactly", async () => {
  await send("sum", "0.1", midnight);
  await send("sum", "0.2", midnight);
  await send("sum", "-1.05", midnight);

  expect(await total("sum", {})).toBe(-0.75);
});

test("events of the same second are all counted", async () => {
  await send("count", "5", midnight);
  await send("count", "5", midnight);

  expect(await total("count", {})).toBe(2);
});

test("`last` takes the latest timestamp, and of equal ones the latest arrival", async () => {
  await send("last", "3", midnight + 2);
  await send("last", "4", midnight + 2);
  await send("last", "9", midnight + 1);

  expect(await total("last", {})).toBe(4);
});

test("`last` can be switched to the order of arrival", async () => {
  running.simulator.setSettings({ last_order: "arrival" });
  await send("last", "4", midnight + 2);
  await send("last", "9", midnight + 1);

  expect(await total("last", {})).toBe(9);
});

test("`last` of a range without an event is 0", async () => {
  await send("last", "4", midnight - 1);

  expect(await total("last", {})).toBe(0);
});

test("hours and days are grouped in UTC, and empty ones left out", async () => {
  await send("sum", "1", midnight);
  await send("sum", "2", midnight + 2 * hourSeconds - 1);
  await send("sum", "4", midnight + 5 * hourSeconds);
  const hours = await summaries("sum", { value_grouping_window: "hour" });
  const days = await summaries("sum", { value_grouping_window: "day" });

  expect(
    hours.data.map((hour) => [(hour.start_time - midnight) / hourSeconds, hour.aggregated_value]),
  ).toEqual([
    [5, 4],
    [1, 2],
    [0, 1],
  ]);
  expect(days.data).toMatchObject([{ aggregated_value: 7, start_time: midnight, end_time: midnight + day }]);
});

test("another customer's usage stays out", async () => {
  await send("sum", "1", midnight, "cus_2");

  expect(await total("sum", {})).toBe(0);
});

test.each([
  ["a start off the minute", { start_time: midnight + 1 }],
  ["an end off the minute", { end_time: midnight + 61 }],
  ["hours from the middle of one", { start_time: midnight + 60, value_grouping_window: "hour" }],
  ["days from the middle of one", { start_time: midnight + hourSeconds, value_grouping_window: "day" }],
  ["an unknown window", { value_grouping_window: "week" }],
  ["no room between start and end", { end_time: midnight }],
  ["a limit of 0", { limit: 0 }],
  ["a limit of 101", { limit: 101 }],
  ["an unknown customer", { customer: "cus_none" }],
])("%s is refused with 400", async (_, override) => {
  await expect(summaries("sum", override)).rejects.toMatchObject({ statusCode: 400 });
});

test.each(["customer", "start_time", "end_time"])("%s is required", async (name) => {
  const query = new URLSearchParams({
    customer: "cus_1",
    start_time: String(midnight),
    end_time: String(midnight + day),
  });
  query.delete(name);
  const response = await fetch(
    `${running.url}/v1/billing/meters/${await meterId("sum")}/event_summaries?${query.toString()}`,
    { headers: { Authorization: "Bearer sk_test_x" } },
  );

  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ error: { code: "parameter_missing", param: name } });
});

test("pages hold 10 summaries by default, and the SDK can walk through all of them", async () => {
  for (let hour = 0; hour < 24; hour += 1) await send("sum", String(hour + 1), midnight + hour * hourSeconds);
  const page = await summaries("sum", { value_grouping_window: "hour" });
  const all = await stripe.billing.meters
    .listEventSummaries(await meterId("sum"), { ...wholeDay(), value_grouping_window: "hour" })
    .autoPagingToArray({ limit: 100 });

  expect(page).toMatchObject({ has_more: true });
  expect(page.data).toHaveLength(10);
  expect(all.map(({ aggregated_value }) => aggregated_value)).toEqual(
    Array.from({ length: 24 }, (_, index) => 24 - index),
  );
});

test("usage can be made visible with a delay", async () => {
  running.simulator.setSettings({ summary_delay_seconds: 60 });
  await send("sum", "5", midnight);
  const early = await total("sum", {});
  running.simulator.setClock({ advance_seconds: 60 });

  expect(early).toBe(0);
  expect(await total("sum", {})).toBe(5);
});

test("a pre-aggregated meter keeps the event received last in each hour", async () => {
  await stripe.billing.meters.create({
    display_name: "Hourly",
    event_name: "hourly",
    default_aggregation: { formula: "sum" },
    event_time_window: "hour",
  });
  await send("hourly", "10", midnight + 100);
  await send("hourly", "12", midnight + 50);
  await send("hourly", "5", midnight + hourSeconds);

  expect(await total("hourly", {})).toBe(17);
});

async function meterId(eventName: string): Promise<string> {
  const { data } = await stripe.billing.meters.list();
  return data.find((meter) => meter.event_name === eventName)?.id ?? "";
}

function send(eventName: string, value: string, timestamp: number, customer = "cus_1") {
  const payload = { stripe_customer_id: customer, value };
  return stripe.billing.meterEvents.create({ event_name: eventName, payload, timestamp });
}

function wholeDay() {
  return { customer: "cus_1", start_time: midnight, end_time: midnight + day };
}

async function summaries(eventName: string, override: Partial<Stripe.Billing.MeterListEventSummariesParams>) {
  return stripe.billing.meters.listEventSummaries(await meterId(eventName), { ...wholeDay(), ...override });
}

async function total(eventName: string, override: Partial<Stripe.Billing.MeterListEventSummariesParams>) {
  const { data } = await summaries(eventName, override);
  return data[0]?.aggregated_value;
}
