import type { HttpBindings } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { Answer } from "./answer.ts";
import type { RequestContext } from "./read-request.ts";

/** How an answer leaves, if it does. */
export type Delivery =
  | { kind: "send"; answer: Answer }
  | { kind: "cut" }
  | { kind: "cut_in_body"; answer: Answer }
  | { kind: "drip"; answer: Answer; intervalMs: number }
  | { kind: "never" };

/** `nowMs` is the simulated clock, whose time every answer tells. */
type Envelope = { requestId: string; idempotencyKey: string | undefined; nowMs: number };

/** Sends, spoils or withholds the answer. Everything but `send` needs a real connection. */
export async function deliver(
  context: RequestContext,
  delivery: Delivery,
  envelope: Envelope,
): Promise<Response> {
  if (delivery.kind === "send") {
    const { answer } = delivery;
    return new Response(textOf(answer), { status: answer.status, headers: headersOf(answer, envelope) });
  }
  const connection = connectionOf(context);
  switch (delivery.kind) {
    case "cut":
      connection.incoming.socket.destroy();
      break;
    case "cut_in_body":
      await sendHalf(connection, delivery.answer, envelope);
      break;
    case "drip":
      await drip(connection, delivery, envelope);
      break;
    case "never":
      await closed(connection.outgoing);
      break;
  }
  return RESPONSE_ALREADY_SENT;
}

function textOf({ body }: Answer): string {
  return typeof body === "string" ? body : JSON.stringify(body);
}

function headersOf(
  { body, headers }: Answer,
  { requestId, idempotencyKey, nowMs }: Envelope,
): Record<string, string> {
  const all: Record<string, string> = {
    "Content-Type": typeof body === "string" ? "text/html" : "application/json",
    "Request-Id": requestId,
    Date: new Date(nowMs).toUTCString(),
    ...headers,
  };
  if (idempotencyKey !== undefined) all["Idempotency-Key"] = idempotencyKey;
  return all;
}

function connectionOf(context: RequestContext): HttpBindings {
  const { incoming, outgoing } = context.env;
  if (incoming === undefined || outgoing === undefined) {
    throw new Error("A fault of the connection needs a connection: use startSimulator.");
  }
  return { incoming, outgoing };
}

function begin({ outgoing }: HttpBindings, answer: Answer, envelope: Envelope): Buffer {
  const bytes = Buffer.from(textOf(answer));
  outgoing.writeHead(answer.status, { ...headersOf(answer, envelope), "Content-Length": bytes.length });
  outgoing.flushHeaders();
  return bytes;
}

async function sendHalf(connection: HttpBindings, answer: Answer, envelope: Envelope): Promise<void> {
  const bytes = begin(connection, answer, envelope);
  await new Promise<void>((resolve) => {
    connection.outgoing.write(bytes.subarray(0, bytes.length / 2), () => resolve());
  });
  connection.incoming.socket.destroy();
}

async function drip(
  connection: HttpBindings,
  { answer, intervalMs }: { answer: Answer; intervalMs: number },
  envelope: Envelope,
): Promise<void> {
  const bytes = begin(connection, answer, envelope);
  const { outgoing } = connection;
  let sent = 0;
  const timer = setInterval(() => {
    outgoing.write(bytes.subarray(sent, sent + 1));
    sent += 1;
    if (sent === bytes.length) outgoing.end();
  }, intervalMs);
  await closed(outgoing);
  clearInterval(timer);
}

function closed(outgoing: HttpBindings["outgoing"]): Promise<void> {
  if (outgoing.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    outgoing.once("close", () => resolve());
  });
}
