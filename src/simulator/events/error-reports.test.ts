import { Stripe } from "stripe";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Settings } from "../settings.ts";
import { startSimulator, type RunningSimulator } from "../start-simulator.ts";
import { startReceiver, type Receiver } from "../webhooks/start-receiver.ts";

const signingSecret = "whsec_one";
const reportType = "v1.billing.meter.error_report_triggered";
const noMeter = "v1.billing.meter.no_meter_found";

let running: RunningSimulator;
let receiver: Receiver;
let stripe: Stripe;

beforeEach(async () => {
  running = await startSimulator({
    meters: [
      { event_name: "readings", formula: "sum" },
      { event_name: "sensors", formula: "last" },
    ],
  });
  receiver = await startReceiver();
  const { host, port, simulator } = running;
  stripe = new Stripe("sk_test_x", { host, port, protocol: "http", maxNetworkRetries: 0 });
  simulator.setClock({ now: "2026-11-20T10:00:03Z", frozen: true });
  simulator.addWebhookEndpoint({ url: receiver.url, secrets: [signingSecret], payload: "thin" });
});

afterEach(async () => {
  await running.stop();
  await receiver.stop();
});

test("a report is delivered without data, and the SDK fetches event and meter", async () => {
  await send("readings", "id-1");
  await report();
  const notification = notified();
  const event = await notification.fetchEvent();
  const meter = "related_object" in notification ? await notification.fetchRelatedObject() : undefined;

  expect(notification).toMatchObject({ object: "v2.core.event", type: reportType, livemode: false });
  expect(notification).not.toHaveProperty("data");
  expect(meter).toMatchObject({ object: "billing.meter", event_name: "readings" });
  expect(event).toMatchObject({
    id: notification.id,
    data: {
      developer_message_summary: "There is 1 invalid event.",
      validation_start: "2026-11-20T10:00:00.000Z",
      validation_end: "2026-11-20T10:00:10.000Z",
      reason: {
        error_count: 1,
        error_types: [
          {
            code: "meter_event_customer_not_found",
            error_count: 1,
            sample_errors: [
              { error_message: "No such customer: 'cus_none'", request: { identifier: "id-1" } },
            ],
          },
        ],
      },
    },
  });
});

test("there is one event per meter", async () => {
  await send("readings", "id-1");
  await send("readings", "id-2");
  await send("sensors", "id-3");

  expect((await report()).map(({ type, related_object: related }) => [type, related?.type])).toEqual([
    [reportType, "billing.meter"],
    [reportType, "billing.meter"],
  ]);
});

test("usage that matches no meter is told by another type, without a related object", async () => {
  await stream("unheard_of", "id-1");
  await report();
  const event = await notified().fetchEvent();

  expect(event).toMatchObject({
    type: noMeter,
    related_object: null,
    data: {
      reason: {
        error_types: [
          {
            code: "no_meter",
            sample_errors: [{ error_message: "No meter was found matching event_name unheard_of." }],
          },
        ],
      },
    },
  });
});

test("each error is reported once", async () => {
  await send("readings", "id-1");
  await report();

  expect(await report()).toEqual([]);
});

test("there can be fewer samples than errors", async () => {
  for (const identifier of ["id-1", "id-2", "id-3"]) await send("readings", identifier);
  const [event] = running.simulator.reportErrors({ samples_max: 1 });

  expect(event?.data).toMatchObject({
    reason: {
      error_count: 3,
      error_types: [{ error_count: 3, sample_errors: [{ request: { identifier: "id-1" } }] }],
    },
  });
});

test.each([
  [{}, { identifier: "id-1" }],
  [{ error_report_names: "idempotency_key" }, { identifier: "key-1" }],
  [{ error_report_field: "idempotency_key" }, { idempotency_key: "id-1" }],
] satisfies [Partial<Settings>, object][])("with %j a sample names %j", async (settings, request) => {
  running.simulator.setSettings(settings);
  await send("readings", "id-1", "key-1");
  const [event] = await report();

  expect(event?.data).toMatchObject({
    reason: { error_types: [{ sample_errors: [{ request }] }] },
  });
});

test("thin events are no snapshot events, and the other way round", async () => {
  await send("readings", "id-1");
  const [thin] = await report();
  const snapshot = running.simulator.emit({ type: "customer.created", data: { object: {} } });

  await expect(stripe.events.retrieve(thin?.id ?? "")).rejects.toMatchObject({ statusCode: 404 });
  await expect(stripe.v2.core.events.retrieve(snapshot.id)).rejects.toMatchObject({ statusCode: 404 });
  expect((await stripe.events.list()).data.map(({ id }) => id)).toEqual([snapshot.id]);
});

test("thin events are listed page by page, by type and by object", async () => {
  await send("readings", "id-1");
  await stream("unheard_of", "id-2");
  const events = await report();
  const seen: string[] = [];
  for await (const { id } of stripe.v2.core.events.list({ limit: 1 })) seen.push(id);
  const { data: ofType } = await stripe.v2.core.events.list({ types: [noMeter] });
  const { data: ofMeter } = await stripe.v2.core.events.list({
    object_id: events[0]?.related_object?.id ?? "",
  });

  expect(seen).toEqual(events.map(({ id }) => id).toReversed());
  expect(ofType.map(({ type }) => type)).toEqual([noMeter]);
  expect(ofMeter.map(({ type }) => type)).toEqual([reportType]);
});

test("each snapshot event can have a thin twin", async () => {
  running.simulator.setSettings({ thin_twins: true });
  const { id } = await stripe.customers.create();
  await running.simulator.deliveriesSettled();

  expect(notified()).toMatchObject({
    type: "v1.customer.created",
    snapshot_event: running.simulator.events()[0]?.id,
    related_object: { id, type: "customer", url: `/v1/customers/${id}` },
  });
});

async function send(eventName: string, identifier: string, idempotencyKey?: string): Promise<void> {
  await stripe.billing.meterEvents.create(
    { event_name: eventName, identifier, payload: { stripe_customer_id: "cus_none", value: "1" } },
    idempotencyKey === undefined ? {} : { idempotencyKey },
  );
}

async function stream(eventName: string, identifier: string): Promise<void> {
  const { authentication_token: apiKey } = await stripe.v2.billing.meterEventSession.create();
  const payload = { stripe_customer_id: "cus_none", value: "1" };
  const events = [{ event_name: eventName, identifier, payload }];
  await stripe.v2.billing.meterEventStream.create({ events }, { apiKey });
}

async function report() {
  const events = running.simulator.reportErrors();
  await running.simulator.deliveriesSettled();
  return events;
}

function notified() {
  const { body = "", signature = "" } = receiver.received[0] ?? {};
  return stripe.parseEventNotification(body, signature, signingSecret);
}
