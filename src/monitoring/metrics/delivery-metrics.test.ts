import { Registry } from "prom-client";
import { expect, test } from "vitest";
import type { StripeAnswer } from "../../stripe/answer.ts";
import type { MeterEventRequest, Transport } from "../../stripe/sync-transport.ts";
import { finishedAttempt } from "../../testing/rows/finished-attempt.ts";
import { parseScrape } from "../../testing/net/scraped.ts";
import { showRate, watchDelivery } from "./delivery-metrics.ts";
import { timedTransport } from "./stripe-metrics.ts";

const request: MeterEventRequest = {
  eventName: "temperature_readings",
  customerId: "cus_1",
  value: "1",
  identifier: "id-1",
  timestamp: 1_795_000_000,
  attempt: 1,
};

function createTimed(send: Transport["send"]) {
  const registry = new Registry();
  const transport = timedTransport(registry, { eventsPerRequestMax: 7, send });
  return { transport, scrape: async () => parseScrape(await registry.metrics()) };
}

test("a request to Stripe is in flight until it is answered, and then timed by its status class", async () => {
  const answer = Promise.withResolvers<StripeAnswer>();
  const { transport, scrape } = createTimed(() => answer.promise);
  expect(transport.eventsPerRequestMax).toBe(7);

  const sending = transport.send([request]);
  expect(await scrape()).toMatchObject({ meter_outbox_stripe_requests_in_flight: 1 });
  answer.resolve({ kind: "success", httpStatus: 200, requestId: null });
  expect(await sending).toMatchObject({ kind: "success" });
  expect(await scrape()).toMatchObject({
    meter_outbox_stripe_requests_in_flight: 0,
    'meter_outbox_stripe_request_duration_seconds_count{status="2xx"}': 1,
  });
});

test("a request without an answer counts as none, and one that throws is not in flight any more", async () => {
  const noAnswer = createTimed(async () => ({
    kind: "no_answer",
    reachedStripe: "maybe",
    code: null,
    message: "timeout",
  }));
  await noAnswer.transport.send([request]);
  expect(await noAnswer.scrape()).toMatchObject({
    'meter_outbox_stripe_request_duration_seconds_count{status="none"}': 1,
  });
  const broken = createTimed(() => Promise.reject(new Error("broken")));
  await expect(broken.transport.send([request])).rejects.toThrow("broken");
  expect(await broken.scrape()).toMatchObject({ meter_outbox_stripe_requests_in_flight: 0 });
});

test("the rate is the one of the moment, and none while a 429 has stopped all requests", async () => {
  const registry = new Registry();
  let [perSecond, isClosed] = [15, true];
  showRate(registry, {
    bucket: { rate: () => perSecond, isClosed: () => isClosed },
    perSecondMax: 15,
  });
  expect(parseScrape(await registry.metrics())).toMatchObject({
    meter_outbox_delivery_rate_events_per_second: 0,
  });
  [perSecond, isClosed] = [7.5, false];
  expect(parseScrape(await registry.metrics())).toEqual({
    meter_outbox_delivery_rate_events_per_second: 7.5,
    meter_outbox_delivery_rate_events_per_second_max: 15,
  });
});

const refused = { state: "rejected", reason: "invalid_value" } as const;

test("attempts that are settled together count by their meter and state, and what was delivered adds up", async () => {
  const registry = new Registry();
  const watch = watchDelivery(registry);

  watch.onSettled([
    finishedAttempt({ quantity: "12" }),
    finishedAttempt({ quantity: "100", outcome: refused }),
    finishedAttempt({ meter: "active_sensors", quantity: "3" }),
    finishedAttempt({ quantity: "30" }),
  ]);
  watch.onSettled([finishedAttempt({ quantity: "5" })]);

  expect(parseScrape(await registry.metrics())).toMatchObject({
    'meter_outbox_settled_total{meter="temperature_readings",state="delivered"}': 3,
    'meter_outbox_settled_total{meter="temperature_readings",state="rejected"}': 1,
    'meter_outbox_settled_total{meter="active_sensors",state="delivered"}': 1,
    'meter_outbox_delivered_quantity_total{meter="temperature_readings"}': 47,
    'meter_outbox_delivered_quantity_total{meter="active_sensors"}': 3,
  });
});
