import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { startSimulator } from "../simulator/start-simulator.ts";
import { json, type RawRequest, serve } from "../testing/net/raw-server.ts";
import { createStripe } from "./client.ts";
import { createSyncTransport, type MeterEventRequest } from "./sync-transport.ts";

const apiKey = "sk_test_transport";

/** A simulated Stripe, and the transport to it. */
async function startStripe() {
  const { url, simulator, stop } = await startSimulator({
    customers: ["cus_1"],
    meters: [{ event_name: "readings", formula: "sum" }],
  });
  onTestFinished(stop);
  return { simulator, transport: transportTo(url) };
}

function transportTo(apiBase: string) {
  return createSyncTransport({ apiKey, apiBase, timeoutMs: 30_000 });
}

function request(change: Partial<MeterEventRequest> = {}): MeterEventRequest {
  return {
    eventName: "readings",
    customerId: "cus_1",
    value: "42",
    identifier: "id-1",
    timestamp: Math.floor(Date.now() / 1_000) - 60,
    attempt: 1,
    ...change,
  };
}

test("an accepted event is a success, with Stripe's request id", async () => {
  const stripe = await startStripe();
  const answer = await stripe.transport.send([request()]);

  const [recorded] = stripe.simulator.meterEvents();
  expect(recorded).toMatchObject({ identifier: "id-1", customer: "cus_1", value: "42", times_counted: 1 });
  expect(answer).toEqual({ kind: "success", httpStatus: 200, requestId: recorded?.request_ids[0] });
});

test("a later attempt has the same identifier and an Idempotency-Key of its own", async () => {
  const stripe = await startStripe();
  await stripe.transport.send([request()]);
  const second = await stripe.transport.send([request({ attempt: 2 })]);

  expect(second).toMatchObject({
    kind: "error",
    httpStatus: 400,
    code: null,
    message: "An event already exists with identifier id-1.",
  });
  const { recent } = stripe.simulator.requests();
  expect(recent.map(({ idempotency_key: key }) => key)).toEqual(["id-1:a1", "id-1:a2"]);
  expect(recent.map(({ identifiers }) => identifiers)).toEqual([["id-1"], ["id-1"]]);
  expect(stripe.simulator.state()).toMatchObject({ counted: 1, idempotent_replays: 0 });
});

test("a 500 that Stripe keeps for its Idempotency-Key does not outlast its attempt", async () => {
  const stripe = await startStripe();
  stripe.simulator.addFault({ kind: "stored_500", times: 1 });
  const first = await stripe.transport.send([request()]);
  const second = await stripe.transport.send([request({ attempt: 2 })]);

  expect([first, second]).toMatchObject([{ httpStatus: 500 }, { kind: "success" }]);
});

test("an event counted before a 500 is a duplicate at the next attempt", async () => {
  const stripe = await startStripe();
  stripe.simulator.addFault({ kind: "accept_then_500", times: 1 });
  const first = await stripe.transport.send([request()]);
  const second = await stripe.transport.send([request({ attempt: 2 })]);

  expect([first, second]).toMatchObject([
    { httpStatus: 500 },
    { httpStatus: 400, message: expect.stringContaining("already exists with identifier") as unknown },
  ]);
  expect(stripe.simulator.state().double_counted).toBe(0);
});

test("Stripe's own rules are answers, not exceptions", async () => {
  const stripe = await startStripe();
  const tooOld = Math.floor(Date.now() / 1_000) - 36 * 86_400;
  const answers = [
    await stripe.transport.send([request({ identifier: "id-1", eventName: "unknown" })]),
    await stripe.transport.send([request({ identifier: "id-2", value: "1234567890123456" })]),
    await stripe.transport.send([request({ identifier: "id-3", timestamp: tooOld })]),
  ];

  expect(answers).toMatchObject([
    { httpStatus: 400, message: expect.stringContaining("No active meter found") as unknown },
    { httpStatus: 400, message: expect.stringContaining("at most 15 digits") as unknown },
    { httpStatus: 400, message: expect.stringContaining("35 days in past") as unknown },
  ]);
});

test("a revoked key and a forbidden one are told apart", async () => {
  const stripe = await startStripe();
  stripe.simulator.setKey(apiKey, "revoked");
  const revoked = await stripe.transport.send([request()]);
  stripe.simulator.setKey(apiKey, "forbidden");
  const forbidden = await stripe.transport.send([request()]);

  expect([revoked, forbidden]).toMatchObject([{ httpStatus: 401 }, { httpStatus: 403 }]);
});

const sent = ({ body }: RawRequest) => Object.fromEntries(new URLSearchParams(body));

test("a request holds the contract's fields and nothing else", async () => {
  const { url, requests } = await serve(json(200, { object: "billing.meter_event", identifier: "id-1" }));
  const event = request({ value: "999999999999999", attempt: 7 });

  await transportTo(url).send([event]);

  expect(requests.map(sent)).toEqual([
    {
      event_name: "readings",
      "payload[stripe_customer_id]": "cus_1",
      "payload[value]": "999999999999999",
      identifier: "id-1",
      timestamp: String(event.timestamp),
    },
  ]);
  expect(requests).toMatchObject([
    { method: "POST", path: "/v1/billing/meter_events", headers: { "idempotency-key": "id-1:a7" } },
  ]);
});

test("each request has the headers and the fields that the SDK would send", async () => {
  const { url, requests } = await serve(json(200, { object: "billing.meter_event" }));
  const options = { apiKey, apiBase: url, timeoutMs: 30_000 };
  const transport = createSyncTransport(options);
  const stripe = createStripe(options);
  const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(text, text, fc.nat(), async (eventName, customerId, timestamp) => {
      requests.splice(0);
      const event = request({ eventName, customerId, timestamp });
      await transport.send([event]);
      await stripe.billing.meterEvents.create(
        {
          event_name: eventName,
          payload: { stripe_customer_id: customerId, value: event.value },
          identifier: event.identifier,
          timestamp,
        },
        { idempotencyKey: "id-1:a1" },
      );

      const [ours, theirs] = requests.map((one) => {
        const { "content-length": _length, ...headers } = one.headers;
        return { ...one, headers, body: sent(one) };
      });
      expect(ours).toEqual(theirs);
    }),
    { numRuns: 100 },
  );
});

test.for(["0", "1", "100000000000000000000000", "0.0000001"])(
  "the value %s is sent in plain digits",
  async (value) => {
    const { url, requests } = await serve(json(200, { object: "billing.meter_event", identifier: "id-1" }));

    await transportTo(url).send([request({ value })]);

    expect(requests.map(sent)).toMatchObject([{ "payload[value]": value }]);
  },
);

test("one event goes into a request, and none is the caller's mistake", async () => {
  const stripe = await startStripe();
  expect(stripe.transport.eventsPerRequestMax).toBe(1);
  await expect(stripe.transport.send([])).rejects.toThrow("no meter event");
});
