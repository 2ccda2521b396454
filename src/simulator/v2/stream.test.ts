import { Stripe } from "stripe";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startSimulator, type RunningSimulator } from "../start-simulator.ts";

let running: RunningSimulator;
let stripe: Stripe;

beforeEach(async () => {
  running = await startSimulator({
    meters: [{ event_name: "readings", formula: "sum" }],
    customers: ["cus_1"],
  });
  running.simulator.setClock({ now: "2026-11-20T10:00:00Z", frozen: true });
  const { host, port } = running;
  stripe = new Stripe("sk_test_x", { host, port, protocol: "http", maxNetworkRetries: 0 });
});

afterEach(() => running.stop());

test("a session lasts 15 minutes", async () => {
  const session = await stripe.v2.billing.meterEventSession.create();

  expect(session).toMatchObject({
    object: "v2.billing.meter_event_session",
    created: "2026-11-20T10:00:00.000Z",
    expires_at: "2026-11-20T10:15:00.000Z",
    livemode: false,
  });
});

test("a hundred events are counted in one request, whose answer is empty", async () => {
  const events = Array.from({ length: 100 }, (_, index) => reading({ identifier: `id-${index}` }));
  const answer = await stream(await openSession(), events);

  expect(answer).toEqual({});
  expect(running.simulator.bill()).toMatchObject([{ total: "500", counts: 100 }]);
});

test("a hundred and one events are refused", async () => {
  const token = await openSession();
  const events = Array.from({ length: 101 }, () => reading({}));

  await expect(stream(token, events)).rejects.toMatchObject({ statusCode: 400 });
  expect(running.simulator.meterEvents()).toEqual([]);
});

test("a session that has expired is refused by its own code and class", async () => {
  const token = await openSession();
  running.simulator.setClock({ advance_seconds: 15 * 60 });

  await expect(stream(token, [reading({})])).rejects.toMatchObject({
    statusCode: 401,
    code: "billing_meter_event_session_expired",
    type: "TemporarySessionExpiredError",
  });
});

test("an API key does not open the stream", async () => {
  await expect(stream("sk_test_x", [reading({})])).rejects.toMatchObject({ statusCode: 401 });
});

test("duplicates vanish silently", async () => {
  const token = await openSession();
  await stream(token, [reading({ identifier: "id-1" }), reading({ identifier: "id-1" })]);
  await stream(token, [reading({ identifier: "id-1" })]);

  expect(running.simulator.asyncErrors()).toEqual([]);
  expect(running.simulator.state()).toMatchObject({ counted: 1, duplicates: 2 });
});

test("every fault of an event is told later, and the others are counted", async () => {
  await stream(await openSession(), [
    reading({ event_name: "unknown" }),
    reading({ payload: { value: "5" } }),
    reading({ payload: { stripe_customer_id: "cus_1", value: "x" } }),
    reading({ payload: { stripe_customer_id: "cus_1", value: "1234567890123456" } }),
    reading({ payload: { stripe_customer_id: "cus_none", value: "5" } }),
    reading({ timestamp: "2026-10-01T00:00:00Z" }),
    reading({ timestamp: "2026-11-20T10:06:00Z" }),
    reading({ identifier: "good" }),
  ]);

  expect(running.simulator.asyncErrors().map(({ code }) => code)).toEqual([
    "no_meter",
    "meter_event_no_customer_defined",
    "meter_event_invalid_value",
    "meter_event_value_too_many_digits",
    "meter_event_customer_not_found",
    "timestamp_too_far_in_past",
    "timestamp_in_future",
  ]);
  expect(running.simulator.meterEvents()).toMatchObject([{ identifier: "good" }]);
});

test("an identifier is known to v1 and to the stream alike", async () => {
  await stream(await openSession(), [reading({ identifier: "id-1" })]);

  await expect(stripe.billing.meterEvents.create(reading({ identifier: "id-1" }))).rejects.toMatchObject({
    message: "An event already exists with identifier id-1.",
  });
});

type StreamEvent = Parameters<typeof stripe.v2.billing.meterEventStream.create>[0]["events"][number];

function reading<T extends Partial<StreamEvent>>(override: T) {
  return { event_name: "readings", payload: { stripe_customer_id: "cus_1", value: "5" }, ...override };
}

async function openSession(): Promise<string> {
  const session = await stripe.v2.billing.meterEventSession.create();
  return session.authentication_token;
}

function stream(token: string, events: StreamEvent[]) {
  return stripe.v2.billing.meterEventStream.create({ events }, { apiKey: token });
}
