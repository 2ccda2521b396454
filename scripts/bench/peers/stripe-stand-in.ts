import { STATUS_CODES } from "node:http";
import { createServer, type Socket } from "node:net";
import { variable } from "./peer-variable.ts";
import { createRequestReader } from "./whole-requests.ts";

// Stripe's answers to meter events and nothing of its rules, so that the bench does not measure the server: the
// simulator keeps strict books, and needs several times the processor time.
const sessionLifetimeMs = 900_000;
const tally = { calls: 0, events: 0, quantity: 0 };
let latencyMs = 0;
let faultEvery = 0;
let asked = 0;

const server = createServer((socket) => {
  socket.setNoDelay();
  socket.on("error", () => socket.destroy());
  const read = createRequestReader(({ path, body }) => answer(path, body, socket));
  socket.on("data", read);
});
server.listen(Number(variable("PORT")), "127.0.0.1");

function answer(path: string, body: string, socket: Socket): void {
  switch (path) {
    case "/v1/billing/meter_events":
      asked += 1;
      if (faultEvery > 0 && asked % faultEvery === 0) return fail(socket);
      return send(socket, 200, countForm(body));
    case "/v2/billing/meter_event_session":
      return send(socket, 200, session());
    case "/v2/billing/meter_event_stream": {
      const { events } = JSON.parse(body) as { events: { event_name: string; payload: { value: string } }[] };
      tally.calls += 1;
      for (const event of events) count(event.event_name, event.payload.value);
      return send(socket, 200, "{}");
    }
    // The bench's own route: tells how much was counted since the last time, and sets the delay from now on.
    case "/bench/tally": {
      const counted = JSON.stringify(tally);
      Object.assign(tally, { calls: 0, events: 0, quantity: 0 });
      ({ latencyMs, faultEvery = 0 } = JSON.parse(body) as { latencyMs: number; faultEvery?: number });
      return write(socket, 200, counted);
    }
    default:
      return write(socket, 404, "{}");
  }
}

/** Counts a v1 meter event, and returns Stripe's answer to it. */
function countForm(form: string): string {
  tally.calls += 1;
  count(field(form, "event_name"), field(form, "payload[value]"));
  const identifier = field(form, "identifier");
  return JSON.stringify({ object: "billing.meter_event", identifier, livemode: false });
}

/** A field of a form as it was sent: the clients encode nothing in the fields that this server reads. */
function field(form: string, name: string): string | null {
  const start = `&${form}`.indexOf(`&${name}=`);
  if (start === -1) return null;
  const from = start + name.length + 1;
  const end = form.indexOf("&", from);
  return end === -1 ? form.slice(from) : form.slice(from, end);
}

/** A worker that runs over a full hour sends how many sensors are active, too. */
function count(meter: string | null, value: string | null): void {
  if (meter !== "temperature_readings") return;
  tally.events += 1;
  tally.quantity += Number(value);
}

/** One refusal of a locked object, which says nothing about the account's rate, and one cut connection, in turns. */
function fail(socket: Socket): void {
  if ((asked / faultEvery) % 2 === 0) {
    socket.destroy();
    return;
  }
  const error = { type: "invalid_request_error", code: "lock_timeout", message: "This object is locked." };
  write(socket, 429, JSON.stringify({ error }));
}

/** An answer of Stripe's, when it is due. */
function send(socket: Socket, status: number, body: string): void {
  if (latencyMs > 0) setTimeout(() => write(socket, status, body), latencyMs);
  else write(socket, status, body);
}

function write(socket: Socket, status: number, body: string): void {
  if (socket.destroyed) return;
  const length = Buffer.byteLength(body);
  socket.write(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: application/json\r\nrequest-id: req_bench\r\n` +
      `date: ${new Date().toUTCString()}\r\ncontent-length: ${length}\r\n\r\n${body}`,
  );
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
