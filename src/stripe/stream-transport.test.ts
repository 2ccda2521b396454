import { afterEach, beforeEach, expect, test } from "vitest";
import { verdictOf } from "../delivery/verdict.ts";
import type { FaultInput } from "../simulator/faults/fault.ts";
import { type RunningSimulator, startSimulator } from "../simulator/start-simulator.ts";
import { json, refusal, serve } from "../testing/net/raw-server.ts";
import { createStripe } from "./client.ts";
import { createStreamTransport } from "./stream-transport.ts";
import type { MeterEventRequest, Transport } from "./sync-transport.ts";

const startMs = Date.parse("2026-11-20T10:00:00Z");
const minuteMs = 60_000;
const secretKey = "sk_test_stream";
const sessionPath = "/v2/billing/meter_event_session";
const streamPath = "/v2/billing/meter_event_stream";
/** An answer that comes may take this long; tests wait longer only for answers that never end. */
const patienceMs = 30_000;
const endlessMs = 1_000;

let running: RunningSimulator;
let transport: Transport;
let nowMs: number;

beforeEach(async () => {
  running = await startSimulator({
    meters: [{ event_name: "readings", formula: "sum" }],
    customers: ["cus_1"],
  });
  nowMs = startMs;
  passTime(0);
  transport = transportTo(running.url, patienceMs);
});

afterEach(() => running.stop());

test("a hundred events go in one request, and Stripe counts each as it was sealed", async () => {
  expect(transport.eventsPerRequestMax).toBe(100);

  const verdict = await send(...events(transport.eventsPerRequestMax));

  expect(verdict).toEqual({ kind: "delivered", isDuplicate: false });
  expect(paths()).toEqual([sessionPath, streamPath]);
  expect(running.simulator.meterEvents()).toMatchObject(
    events(100).map(({ identifier, timestamp, value }) => ({
      identifier,
      timestamp,
      value,
      times_counted: 1,
    })),
  );
});

test("times go out as RFC 3339 and quantities as text, in digits alone", async () => {
  // The simulator refuses the whole request over a number in the payload, and over a time in unix seconds.
  await send(event({ value: "999999999999999", timestamp: startMs / 1_000 - 3_661 }));

  expect(running.simulator.meterEvents()).toMatchObject([
    { value: "999999999999999", timestamp: startMs / 1_000 - 3_661 },
  ]);
  expect(running.simulator.asyncErrors()).toEqual([]);
});

test("one session serves many requests, each with an Idempotency-Key of its own", async () => {
  for (const one of events(3)) await send(one);

  expect(paths()).toEqual([sessionPath, streamPath, streamPath, streamPath]);
  const keys = running.simulator.requests().recent.map((request) => request.idempotency_key);
  expect(new Set(keys).size).toBe(4);
});

test("sends that need a session at the same time share its creation", async () => {
  running.simulator.addFault({ kind: "latency", ms: 20, path: sessionPath });

  const verdicts = await Promise.all(events(10).map((one) => send(one)));

  expect(verdicts.every(({ kind }) => kind === "delivered")).toBe(true);
  expect(sessionsOpened()).toBe(1);
});

test("sends that find the session outdated at the same time share the next one", async () => {
  await send(event({ identifier: "before" }));
  passTime(14 * minuteMs);

  await Promise.all(events(10).map((one) => send(one)));

  expect(sessionsOpened()).toBe(2);
});

for (const offsetMinutes of [0, -20, 20]) {
  test(`a session is renewed a minute before its end, by a clock ${offsetMinutes} minutes off Stripe's`, async () => {
    nowMs += offsetMinutes * minuteMs;
    await send(event({ identifier: "1" }));
    passTime(14 * minuteMs - 1);
    await send(event({ identifier: "2" }));
    expect(sessionsOpened()).toBe(1);

    passTime(1);
    await send(event({ identifier: "3" }));
    expect(sessionsOpened()).toBe(2);
    expect(running.simulator.meterEvents()).toHaveLength(3);
  });
}

test("a session that Stripe calls expired is certain, pauses nothing, and is replaced for the next send", async () => {
  await send(event({ identifier: "before" }));
  running.simulator.setClock({ advance_seconds: 16 * 60 });

  const refused = await send(event({ identifier: "1" }));
  expect(refused).toEqual({ kind: "retry", reason: "session_expired", retryAfterMs: null });
  expect(countOf("1")).toBe(0);

  expect(await send(event({ identifier: "1" }))).toMatchObject({ kind: "delivered" });
  expect(countOf("1")).toBe(1);
  expect(sessionsOpened()).toBe(2);
});

test("a send that is told of the expiry late does not throw the next session away", async () => {
  await send(event({ identifier: "before" }));
  running.simulator.addFault({ kind: "latency", ms: 50, customer: "cus_late" });
  running.simulator.addFault({ kind: "expired_session", times: 2 });

  const late = send(event({ identifier: "late", customerId: "cus_late" }));
  expect(await send(event())).toMatchObject({ reason: "session_expired" });
  expect(await send(event())).toMatchObject({ kind: "delivered" });
  expect(await late).toMatchObject({ reason: "session_expired" });
  await send(event({ identifier: "after" }));

  expect(sessionsOpened()).toBe(2);
});

for (const [status, reason] of [
  ["revoked", "unauthorized"],
  ["forbidden", "forbidden"],
] as const) {
  test(`a session refused to a ${status} key is told as the account's fault, and asked for anew each time`, async () => {
    running.simulator.setKey(secretKey, status);
    const refused = { kind: "retry", reason, retryAfterMs: null };
    expect(await send(event())).toEqual(refused);
    expect(await send(event())).toEqual(refused);
    expect(paths()).toEqual([sessionPath, sessionPath]);

    running.simulator.setKey(secretKey, "active");
    expect(await send(event())).toMatchObject({ kind: "delivered" });
  });
}

const failuresOfSession: FaultInput[] = [
  { kind: "status", status: 500 },
  { kind: "status", status: 409 },
  { kind: "never_answer" },
  { kind: "accept_then_cut", sent: "half_body" },
  { kind: "accept_then_cut" },
  { kind: "cut_before" },
];

for (const fault of failuresOfSession) {
  test(`without a session nothing was sent, for certain: ${JSON.stringify(fault)}`, async () => {
    running.simulator.addFault({ times: 1, ...fault, path: sessionPath });
    transport = transportTo(running.url, patienceFor(fault));

    const refused = await send(event());
    expect(refused).toEqual({ kind: "retry", reason: "not_connected", retryAfterMs: null });
    expect(paths()).not.toContain(streamPath);

    expect(await send(event())).toMatchObject({ kind: "delivered" });
    expect(countOf("id-0")).toBe(1);
  });
}

test("a session refused for too many requests slows down, as long as Stripe says", async () => {
  running.simulator.addFault({ kind: "status", status: 429, retry_after_seconds: 3, path: sessionPath });

  expect(await send(event())).toEqual({ kind: "retry", reason: "rate_limited", retryAfterMs: 3_000 });
});

for (const status of [400, 404, 408]) {
  test(`a session that is refused with ${status} rejects no event`, async () => {
    const { url } = await serve(
      refusal(status, { message: "An event already exists with identifier id-0." }),
    );

    expect(verdictOf(await transportTo(url, patienceMs).send([event()]))).toMatchObject({
      kind: "retry",
      reason: "not_connected",
    });
  });
}

const failuresOfStream: [FaultInput, string][] = [
  [{ kind: "accept_then_500" }, "server_error"],
  [{ kind: "status", status: 503 }, "foreign_answer"],
  [{ kind: "accept_then_cut", sent: "half_body" }, "no_answer"],
  [{ kind: "never_answer", record: true }, "no_answer"],
  [{ kind: "accept_then_cut" }, "no_answer"],
  [{ kind: "slow_drip", interval_ms: 60_000 }, "no_answer"],
  [{ kind: "cut_before" }, "no_answer"],
];

for (const [fault, reason] of failuresOfStream) {
  test(`whether the events were counted is unknown after ${JSON.stringify(fault)}, and sending them again counts once`, async () => {
    running.simulator.addFault({ times: 1, ...fault, path: streamPath });
    transport = transportTo(running.url, patienceFor(fault));

    expect(await send(...events(5))).toEqual({ kind: "unknown", reason });

    expect(await send(...events(5))).toMatchObject({ kind: "delivered" });
    expect(running.simulator.state()).toMatchObject({ counted: 5, double_counted: 0 });
    expect(sessionsOpened()).toBe(1);
  });
}

for (const body of [{ message: "Service Unavailable" }, { status: "ok" }, { object: "customer" }]) {
  test(`whether the events were counted is unknown after a 200 with ${JSON.stringify(body)}`, async () => {
    const [created, ends] = [new Date(nowMs), new Date(nowMs + 15 * minuteMs)].map((at) => at.toISOString());
    const session = {
      object: "v2.billing.meter_event_session",
      authentication_token: "token",
      created,
      expires_at: ends,
    };
    const { url } = await serve((response) =>
      json(200, response.req.url === sessionPath ? session : body)(response),
    );

    const answer = await transportTo(url, patienceMs).send(events(2));

    expect(verdictOf(answer)).toEqual({ kind: "unknown", reason: "foreign_answer" });
  });
}

function transportTo(apiBase: string, timeoutMs: number): Transport {
  return createStreamTransport(createStripe({ apiKey: secretKey, apiBase, timeoutMs }), () => nowMs);
}

function patienceFor({ kind }: FaultInput): number {
  return kind === "never_answer" || kind === "slow_drip" ? endlessMs : patienceMs;
}

/** Stripe's clock and ours go on together. */
function passTime(ms: number): void {
  nowMs += ms;
  running.simulator.setClock(
    ms === 0 ? { now: new Date(nowMs).toISOString(), frozen: true } : { advance_seconds: ms / 1_000 },
  );
}

async function send(...requests: MeterEventRequest[]) {
  return verdictOf(await transport.send(requests));
}

function events(count: number): MeterEventRequest[] {
  return Array.from({ length: count }, (_, index) =>
    event({ identifier: `id-${index}`, value: String(index + 1) }),
  );
}

function event(change: Partial<MeterEventRequest> = {}): MeterEventRequest {
  return {
    eventName: "readings",
    customerId: "cus_1",
    value: "5",
    identifier: "id-0",
    timestamp: startMs / 1_000 - 3_600,
    attempt: 1,
    ...change,
  };
}

function paths(): string[] {
  return running.simulator.requests().recent.map(({ path }) => path);
}

function sessionsOpened(): number {
  return paths().filter((path) => path === sessionPath).length;
}

function countOf(identifier: string): number {
  return running.simulator.meterEvents({ identifier })[0]?.times_counted ?? 0;
}
