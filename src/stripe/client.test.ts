import { createServer, type Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import { json, type RawAnswer, type RawRequest, serve } from "../testing/net/raw-server.ts";
import { createStripe } from "./client.ts";
import { listen } from "../testing/net/listen.ts";

const apiKey = "sk_test_client";
/** An answer that comes may take this long; tests wait longer only for answers that never end. */
const patienceMs = 30_000;
const timeoutMs = 300;
/** A busy machine's event loop may need this long to notice that a deadline has passed. */
const slackMs = 20_000;

const meterEvent = { event_name: "readings", payload: { stripe_customer_id: "cus_1", value: "1" } };
const accepted: RawAnswer = (response) =>
  json(200, response.req.url?.endsWith("_stream") ? {} : { object: "billing.meter_event" })(response);

/** Sends one meter event; tells how long it took and the SDK's error. */
async function send(apiBase: string, deadlineMs: number): Promise<{ durationMs: number; error: unknown }> {
  const startedAtMs = performance.now();
  const stripe = createStripe({ apiKey, apiBase, timeoutMs: deadlineMs });
  const error: unknown = await stripe.billing.meterEvents.create(meterEvent).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return { durationMs: performance.now() - startedAtMs, error };
}

/** Sends a byte every 40 ms, for ever. */
function drip(socket: Socket | null, byte: string): void {
  const timer = setInterval(() => socket?.write(byte), 40);
  socket?.once("close", () => clearInterval(timer));
}

const neverEnding: { what: string; answer: RawAnswer }[] = [
  { what: "never comes", answer: () => {} },
  {
    what: "stops in the middle of the body",
    answer: (response) => void response.writeHead(200, { "content-length": 100 }).write("{"),
  },
  {
    what: "drips byte by byte",
    answer: (response) => {
      response.writeHead(200, { "content-length": 1_000 }).flushHeaders();
      drip(response.socket, " ");
    },
  },
  {
    what: "drips its headers byte by byte",
    answer: ({ socket }) => {
      socket?.write("HTTP/1.1 200 OK\r\nx-drip: ");
      drip(socket, "x");
    },
  },
  {
    what: "sends its headers late and drips its body",
    answer: (response) => {
      setTimeout(() => {
        response.writeHead(200, { "content-length": 1_000 }).flushHeaders();
        drip(response.socket, " ");
      }, timeoutMs / 2);
    },
  },
];

test.for(neverEnding)("an answer that $what ends at the deadline", async ({ answer }) => {
  const { url, requests } = await serve(answer);

  const { durationMs, error } = await send(url, timeoutMs);

  expect(error).toMatchObject({ type: "StripeConnectionError" });
  expect(requests.length).toBeLessThanOrEqual(1);
  expect(durationMs).toBeGreaterThan(timeoutMs * 0.9);
  expect(durationMs).toBeLessThan(timeoutMs + slackMs);
});

test("a TLS handshake that nobody answers ends at the deadline", async () => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => void sockets.push(socket));
  const port = await listen(server);
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });

  const { durationMs, error } = await send(`https://127.0.0.1:${port}`, timeoutMs);

  expect(error).toMatchObject({ type: "StripeConnectionError" });
  expect(durationMs).toBeLessThan(timeoutMs + slackMs);
});

test("an answer in good time leaves no deadline behind that could cut another", async () => {
  const { url } = await serve(accepted);
  // Longer than the poll lets pass.
  const stripe = createStripe({ apiKey, apiBase: url, timeoutMs: 3_600_000 });
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());

  await stripe.billing.meterEvents.create(meterEvent);

  await expect.poll(() => vi.getTimerCount()).toBe(0);
});

const failing: { what: string; answer: RawAnswer }[] = [
  { what: "a connection closed before any byte", answer: ({ socket }) => socket?.destroy() },
  { what: "a reset connection", answer: ({ socket }) => socket?.resetAndDestroy() },
  { what: "a 409", answer: json(409, { error: { message: "conflict" } }) },
  { what: "a 500", answer: json(500, { error: { message: "oops" } }) },
  {
    what: "a 503 that asks for a retry",
    answer: json(503, { error: { message: "later" } }, { "stripe-should-retry": "true" }),
  },
];

test.for(failing)("after $what the SDK does not send again by itself", async ({ answer }) => {
  const { url, requests } = await serve(answer);

  const { error } = await send(url, patienceMs);

  expect(error).toBeInstanceOf(Error);
  expect(requests).toHaveLength(1);
});

test("a connection that is closed on its second request is not used to send that one again", async () => {
  const answers: RawAnswer[] = [accepted, ({ socket }) => socket?.destroy()];
  const sockets = new Set<Socket | null>();
  const { url, requests } = await serve((response) => {
    sockets.add(response.socket);
    answers.shift()?.(response);
  });
  const stripe = createStripe({ apiKey, apiBase: url, timeoutMs: patienceMs });

  await stripe.billing.meterEvents.create(meterEvent);
  // In the moment in which the server answers, the connection is not free yet.
  await setImmediate();
  await expect(stripe.billing.meterEvents.create(meterEvent)).rejects.toThrow("connection to Stripe");

  expect(requests).toHaveLength(2);
  expect(sockets.size).toBe(1);
});

test("every request names the version of the API that this service reads, whatever the SDK's own is", async () => {
  const { url, requests } = await serve(accepted);
  const stripe = createStripe({ apiKey, apiBase: url, timeoutMs: patienceMs });

  await stripe.rawRequest("POST", "/v1/billing/meter_events", meterEvent);
  await stripe.v2.billing.meterEventStream.create({ events: [] });
  await stripe.customers.retrieve("cus_1").catch(() => undefined);

  expect(requests.map(({ headers }) => headers["stripe-version"])).toEqual(
    Array.from({ length: 3 }, () => "2026-10-28.endive"),
  );
});

test("requests carry the key and no telemetry", async () => {
  const { url, requests } = await serve(accepted);
  const stripe = createStripe({ apiKey, apiBase: url, timeoutMs: patienceMs });

  await stripe.billing.meterEvents.create(meterEvent);
  await stripe.billing.meterEvents.create(meterEvent);

  expect(requests.map(({ headers }) => headers.authorization)).toEqual([
    `Bearer ${apiKey}`,
    `Bearer ${apiKey}`,
  ]);
  expect(requests.every(({ headers }) => headers["x-stripe-client-telemetry"] === undefined)).toBe(true);
});

test("with another base, every request goes there, those of the stream too", async () => {
  const { url, requests } = await serve(accepted);
  const stripe = createStripe({ apiKey, apiBase: url, timeoutMs: patienceMs });

  await stripe.billing.meterEvents.create(meterEvent);
  await stripe.v2.billing.meterEventStream.create({ events: [] });

  expect(requests.map(({ path }: RawRequest) => path)).toEqual([
    "/v1/billing/meter_events",
    "/v2/billing/meter_event_stream",
  ]);
});

test.for([
  { apiBase: "https://api.stripe.com", host: "api.stripe.com", streamHost: "meter-events.stripe.com" },
  { apiBase: "https://api.stripe.com/", host: "api.stripe.com", streamHost: "meter-events.stripe.com" },
  { apiBase: "https://stripe.example", host: "stripe.example", streamHost: "stripe.example" },
])("with the base $apiBase the stream goes to $streamHost", ({ apiBase, host, streamHost }) => {
  const stripe = createStripe({ apiKey, apiBase, timeoutMs });

  expect(stripe.getApiField("host")).toBe(host);
  expect(stripe.getApiField("protocol")).toBe("https");
  expect(String(stripe.getApiField("port"))).toBe("443");
  expect(stripe.resolveBaseAddress("meter_events")).toBe(streamHost);
});
