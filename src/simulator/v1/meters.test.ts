import { Stripe } from "stripe";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startSimulator, type RunningSimulator } from "../start-simulator.ts";

let running: RunningSimulator;
let stripe: Stripe;

beforeEach(async () => {
  running = await startSimulator();
  const { host, port } = running;
  stripe = new Stripe("sk_test_x", { host, port, protocol: "http", maxNetworkRetries: 0 });
});

afterEach(() => running.stop());

test("a meter is created active, with Stripe's defaults", async () => {
  const meter = await create("readings");

  expect(meter).toMatchObject({
    object: "billing.meter",
    event_name: "readings",
    display_name: "Readings",
    status: "active",
    default_aggregation: { formula: "sum" },
    customer_mapping: { type: "by_id", event_payload_key: "stripe_customer_id" },
    value_settings: { event_payload_key: "value" },
    event_time_window: null,
    status_transitions: { deactivated_at: null },
  });
  expect(await stripe.billing.meters.retrieve(meter.id)).toEqual(meter);
});

test("an event name belongs to one meter, even to a deactivated one", async () => {
  const meter = await create("readings");
  await stripe.billing.meters.deactivate(meter.id);

  await expect(create("readings")).rejects.toMatchObject({ statusCode: 400, param: "event_name" });
});

test.each([
  ["no event name", { event_name: "" }],
  ["no display name", { display_name: "" }],
  ["a display name of 251 characters", { display_name: "a".repeat(251) }],
  ["an event name of 101 characters", { event_name: "a".repeat(101) }],
  ["an unknown formula", { default_aggregation: { formula: "max" } }],
  ["an unknown window", { event_time_window: "week" }],
])("a meter with %s is refused", async (_, override) => {
  const params = {
    event_name: "readings",
    display_name: "Readings",
    default_aggregation: { formula: "sum" },
  };

  await expect(stripe.billing.meters.create({ ...params, ...override })).rejects.toMatchObject({
    statusCode: 400,
  });
});

test("a deactivated meter can be reactivated, and its name kept all the time", async () => {
  const { id } = await create("readings");
  const inactive = await stripe.billing.meters.deactivate(id);
  const active = await stripe.billing.meters.reactivate(id);

  expect(inactive.status).toBe("inactive");
  expect(inactive.status_transitions.deactivated_at).toBeTypeOf("number");
  expect(active.status).toBe("active");
});

test("only the display name changes in an update", async () => {
  const { id } = await create("readings");
  await stripe.billing.meters.update(id, { display_name: "Temperature readings" });

  expect(await stripe.billing.meters.retrieve(id)).toMatchObject({
    display_name: "Temperature readings",
    event_name: "readings",
  });
});

test("meters are listed newest first, by status and page by page", async () => {
  const first = await create("a");
  await create("b");
  const third = await create("c");
  await stripe.billing.meters.deactivate(first.id);
  const page = await stripe.billing.meters.list({ limit: 2 });
  const rest = await stripe.billing.meters.list({ starting_after: page.data[1]?.id ?? "" });
  const before = await stripe.billing.meters.list({ ending_before: first.id, limit: 1 });
  const inactive = await stripe.billing.meters.list({ status: "inactive" });

  expect(page).toMatchObject({ has_more: true, data: [{ id: third.id }, { event_name: "b" }] });
  expect(rest).toMatchObject({ has_more: false, data: [{ id: first.id }] });
  expect(before).toMatchObject({ has_more: true, data: [{ event_name: "b" }] });
  expect(inactive.data.map(({ id }) => id)).toEqual([first.id]);
});

test("a meter that is not there is a 404", async () => {
  await expect(stripe.billing.meters.retrieve("mtr_none")).rejects.toMatchObject({
    statusCode: 404,
    code: "resource_missing",
  });
});

test("an endpoint that the simulator does not know is a 404 in Stripe's envelope", async () => {
  await expect(stripe.coupons.list()).rejects.toMatchObject({
    statusCode: 404,
    rawType: "invalid_request_error",
  });
});

function create(eventName: string) {
  return stripe.billing.meters.create({
    display_name: "Readings",
    event_name: eventName,
    default_aggregation: { formula: "sum" },
  });
}
