import { expect } from "vitest";
import { addDueEvent, readMeterEvent } from "../testing/rows/meter-events.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { stripeSideTest } from "../testing/fixtures/stripe-side-fixture.ts";
import { until } from "../testing/processes/until.ts";
import type { MeterName } from "../usage/meters.ts";

type Sent = { customer: string; meter?: MeterName };

const test = stripeSideTest.extend("reported", async ({ database: { db }, boss, account, stripeSide }) => {
  await stripeSide.startWorker({ BILLABLE_STATUSES: [] });
  const read = (key: Awaited<ReturnType<typeof addDueEvent>>) => readMeterEvent(db, key);

  /** Sends a meter event; Stripe takes it whether it knows the customer or not. */
  async function send({ customer, meter = "temperature_readings" }: Sent) {
    const organizationId = await addOrganization(db, { customer });
    const key = await addDueEvent(
      { db, boss },
      { organization_id: organizationId, stripe_customer_id: customer, meter },
    );
    await until(async () => (await read(key)).state === "delivered", { what: "the event to be taken" });
    return key;
  }

  async function sendKnown(sent: Partial<Sent> = {}) {
    const { id: customer } = await account.stripe.customers.create();
    return send({ customer, ...sent });
  }
  return { send, sendKnown, read };
});

test.for([
  ["identifier", "idempotency_key"],
  ["idempotency_key", "identifier"],
] as const)(
  "a meter event that a report names by its %s, in the field %s, is rejected with Stripe's reason",
  async ([error_report_names, error_report_field], { account: { simulator }, stripeSide, reported }) => {
    simulator.setSettings({ error_report_names, error_report_field });
    const refused = await reported.send({ customer: "cus_unknown" });
    const good = await reported.sendKnown();

    simulator.reportErrors();
    await stripeSide.untilHandled();

    const { state, reason, last_error: words } = await reported.read(refused);
    expect({ state, reason }).toEqual({ state: "rejected", reason: "meter_event_customer_not_found" });
    expect(words).not.toBe("");
    expect(await reported.read(good)).toMatchObject({ state: "delivered", reconcile_since: null });
    expect(stripeSide.loggedAt("warn").filter(({ event }) => event === "meter_event_not_delivered")).toEqual([
      {
        event: "meter_event_not_delivered",
        organization_id: refused.organizationId,
        meter_event_id: refused.meterEventId,
        meter: "temperature_readings",
        attempt: 1,
        verdict: "rejected",
        state: "rejected",
        reason: "meter_event_customer_not_found",
        event_id: stripeSide.eventOf("v1.billing.meter.error_report_triggered"),
      },
    ]);
  },
);

test("what a report counts and does not name leaves the rest of its window to be reconciled", async ({
  account: { simulator },
  stripeSide,
  reported,
}) => {
  const named = await reported.send({ customer: "cus_unknown_1" });
  const unnamed = await reported.send({ customer: "cus_unknown_2" });
  const good = await reported.sendKnown();
  const ofOtherMeter = await reported.sendKnown({ meter: "active_sensors" });

  simulator.reportErrors({ samples_max: 1 });
  await stripeSide.untilHandled();

  const marked = expect.any(Date) as unknown;
  expect(await reported.read(named)).toMatchObject({ state: "rejected", reconcile_since: null });
  expect(await reported.read(unnamed)).toMatchObject({
    state: "delivered",
    reconcile_since: marked,
    reported_code: "meter_event_customer_not_found",
  });
  expect(await reported.read(good)).toMatchObject({ state: "delivered", reconcile_since: marked });
  expect(await reported.read(ofOtherMeter)).toMatchObject({ reconcile_since: null });
});

test("an event whose answer was lost is rejected while it waits for its next attempt", async ({
  database: { db },
  boss,
  account: { simulator },
  stripeSide,
  reported,
}) => {
  simulator.addFault({ kind: "accept_then_500", path: "/v1/billing/meter_events" });
  const organizationId = await addOrganization(db, { customer: "cus_unknown" });
  const key = await addDueEvent(
    { db, boss },
    { organization_id: organizationId, stripe_customer_id: "cus_unknown" },
  );
  await until(async () => (await reported.read(key)).attempts_finished > 0, { what: "an attempt" });

  simulator.reportErrors();
  await stripeSide.untilHandled();

  expect(await reported.read(key)).toMatchObject({
    state: "rejected",
    reason: "meter_event_customer_not_found",
  });
});

test("a report about a meter of others changes nothing of ours", async ({
  account: { simulator, stripe },
  stripeSide,
  reported,
}) => {
  const ours = await reported.sendKnown();
  await stripe.billing.meters.create({
    display_name: "Others",
    event_name: "others",
    default_aggregation: { formula: "sum" },
  });
  for (const identifier of ["their-own-1", "their-own-2"]) {
    const payload = { stripe_customer_id: "cus_unknown", value: "1" };
    await stripe.billing.meterEvents.create({ event_name: "others", payload, identifier });
  }

  simulator.reportErrors({ samples_max: 1 });
  await stripeSide.untilHandled();

  await expect
    .poll(() => stripeSide.effectsOf(stripeSide.eventOf("v1.billing.meter.error_report_triggered")))
    .toEqual(["rejected 0, to be reconciled 0"]);
  expect(await reported.read(ours)).toMatchObject({ state: "delivered", reconcile_since: null });
});

test("usage for which Stripe found no meter is rejected with that reason", async ({
  account: { simulator },
  stripeSide,
  reported,
}) => {
  const key = await reported.sendKnown();
  const now = new Date().toISOString();
  const sample = { error_message: "No meter was found.", request: { identifier: key.meterEventId } };
  const error_types = [{ code: "no_meter", error_count: 1, sample_errors: [sample] }];

  simulator.emit({
    object: "v2.core.event",
    type: "v1.billing.meter.no_meter_found",
    data: { validation_start: now, validation_end: now, reason: { error_count: 1, error_types } },
  });
  await stripeSide.untilHandled();

  expect(await reported.read(key)).toMatchObject({
    state: "rejected",
    reason: "no_meter",
    last_error: "No meter was found.",
  });
});
