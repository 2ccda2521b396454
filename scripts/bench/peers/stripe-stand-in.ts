import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { variable } from "./peer-server.ts";

// Stripe's answers to meter events and nothing of its rules, so that the bench does not measure the server: the
// simulator keeps strict books, and needs several times the processor time.
const sessionLifetimeMs = 900_000;
const tally = { calls: 0, events: 0, quantity: 0 };
let latencyMs = 0;
let faultEvery = 0;
let asked = 0;

const server = createServer((request, response) => {
  readBody(request)
    .then((body) => answer(request.url ?? "", body, response))
    .catch((error: unknown) => response.writeHead(500).end(String(error)));
});
server.listen(Number(variable("PORT")), "127.0.0.1");

async function answer(url: string, body: string, response: ServerResponse): Promise<void> {
  switch (url) {
    case "/v1/billing/meter_events":
      asked += 1;
      if (faultEvery > 0 && asked % faultEvery === 0) return fail(response);
      return send(response, countForm(new URLSearchParams(body)));
    case "/v2/billing/meter_event_session":
      return send(response, session());
    case "/v2/billing/meter_event_stream": {
      const { events } = JSON.parse(body) as { events: { event_name: string; payload: { value: string } }[] };
      tally.calls += 1;
      for (const event of events) count(event.event_name, event.payload.value);
      return send(response, "{}");
    }
    // The bench's own route: tells how much was counted since the last time, and sets the delay from now on.
    case "/bench/tally": {
      const counted = JSON.stringify(tally);
      Object.assign(tally, { calls: 0, events: 0, quantity: 0 });
      ({ latencyMs, faultEvery = 0 } = JSON.parse(body) as { latencyMs: number; faultEvery?: number });
      response.writeHead(200, { "content-type": "application/json" }).end(counted);
      return;
    }
    default:
      response.writeHead(404).end();
  }
}

/** Counts a v1 meter event, and returns Stripe's answer to it. */
function countForm(form: URLSearchParams): string {
  tally.calls += 1;
  count(form.get("event_name"), form.get("payload[value]"));
  const identifier = form.get("identifier");
  return JSON.stringify({ object: "billing.meter_event", identifier, livemode: false });
}

/** A worker that runs over a full hour sends how many sensors are active, too. */
function count(meter: string | null, value: string | null): void {
  if (meter !== "temperature_readings") return;
  tally.events += 1;
  tally.quantity += Number(value);
}

/** One refusal of a locked object, which says nothing about the account's rate, and one cut connection, in turns. */
function fail(response: ServerResponse): void {
  if ((asked / faultEvery) % 2 === 0) {
    response.socket?.destroy();
    return;
  }
  const error = { type: "invalid_request_error", code: "lock_timeout", message: "This object is locked." };
  response.writeHead(429, { "content-type": "application/json" }).end(JSON.stringify({ error }));
}

async function send(response: ServerResponse, body: string): Promise<void> {
  if (latencyMs > 0) await sleep(latencyMs);
  const headers = { "content-type": "application/json", "request-id": "req_bench" };
  response.writeHead(200, { ...headers, "content-length": Buffer.byteLength(body) }).end(body);
}

function session(): string {
  const created = Date.now();
  return JSON.stringify({
    object: "v2.billing.meter_event_session",
    id: "mes_bench",
    authentication_token: "bench",
    created: new Date(created).toISOString(),
    expires_at: new Date(created + sessionLifetimeMs).toISOString(),
    livemode: false,
  });
}

async function readBody(request: IncomingMessage): Promise<string> {
  let body = "";
  request.setEncoding("utf8");
  for await (const chunk of request) body += String(chunk);
  return body;
}
