import { createServer } from "node:net";
import fc from "fast-check";
import { onTestFinished } from "vitest";
import { listen } from "../net/listen.ts";

/** Writes an answer to a request; the server closes the connection behind it. */
export type AnyAnswer = { status: number; headers: string; body: Buffer };

/** Starts a server that answers every request with the bytes of the latest `say`, right or wrong. Ends with the test. */
export async function sayAnything(): Promise<{ url: string; say: (answer: AnyAnswer) => void }> {
  let next: Buffer = Buffer.alloc(0);
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.end(next));
  });
  const port = await listen(server);
  onTestFinished(() => void server.close());
  return {
    url: `http://127.0.0.1:${port}`,
    say: ({ status, headers, body }) => {
      next = Buffer.concat([Buffer.from(`HTTP/1.1 ${status} Said\r\n${headers}\r\n`), body]);
    },
  };
}

const anyText = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.constantFrom("\0", "\ud800", "billing.meter_event", "invalid_request_error", "resource_missing"),
);
const anyValue = fc.oneof(
  { weight: 3, arbitrary: anyText },
  fc.jsonValue(),
  fc.constantFrom(null, true, 0, [], {}),
);

/** Objects that look like Stripe's, with anything in their fields. */
function almost(names: readonly string[]): fc.Arbitrary<unknown> {
  const fields = Object.fromEntries(names.map((name) => [name, anyValue]));
  return fc.record(fields, { requiredKeys: [] });
}
const anyError = almost(["type", "code", "message", "detail", "headers", "statusCode", "__proto__"]);

function anyBody(likely: readonly unknown[]): fc.Arbitrary<Buffer> {
  const anyJson = fc.oneof(
    fc.constantFrom(...likely),
    fc.jsonValue(),
    fc.record({ error: fc.oneof(anyError, anyValue) }),
    almost(["object", "identifier", "id", "data", "error", "lastResponse", "deleted", "related_object"]),
  );
  return fc.oneof(
    { weight: 4, arbitrary: anyJson.map((value) => Buffer.from(JSON.stringify(value))) },
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    anyJson.map((value) => Buffer.from(JSON.stringify(value)).subarray(0, -1)),
  );
}

function anyHeaders(body: Buffer): fc.Arbitrary<string> {
  const length = (value: number | string) => `content-length: ${value}\r\n`;
  const right = length(body.length);
  const wrong = [
    length(body.length + 7),
    length(Math.max(0, body.length - 3)),
    length(-1),
    length("many"),
    "",
  ];
  const odd = ["transfer-encoding: chunked\r\n", `content-encoding: gzip\r\n${right}`, `${right}${right}`];
  return fc.oneof({ weight: 3, arbitrary: fc.constant(right) }, fc.constantFrom(...wrong, ...odd));
}

/** Any status with any bytes; `likely` are bodies that should come more often than chance gives them. */
export function anyAnswer(likely: readonly unknown[]): fc.Arbitrary<AnyAnswer> {
  const anyStatus = fc.oneof(
    fc.integer({ min: 100, max: 599 }),
    fc.constantFrom(200, 200, 200, 201, 204, 302, 400, 401, 404, 429, 500, 503),
  );
  return fc
    .tuple(anyStatus, anyBody(likely))
    .chain(([status, body]) => anyHeaders(body).map((headers) => ({ status, headers, body })));
}

/** The object that an answer holds, when it is one, whole and well formed. */
export function objectIn({ body }: AnyAnswer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body.toString());
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
