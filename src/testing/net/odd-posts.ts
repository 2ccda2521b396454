import { once } from "node:events";
import { connect } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import type { LogEvent } from "../../log.ts";

/** A server and a sender of its own. */
export type Way = { id: string; key: string; readKey: string; port: number; events: LogEvent[] };
type Door = (way: Way) => string[];
/** A request of which some things may be odd. */
export type Sent = {
  line: string;
  host: string[];
  door: Door;
  headers: string[];
  body: Buffer;
  splitAt: number;
};

/** The answer and the log lines, without what differs between any two requests. */
export async function exchange(way: Way, { line, host, door: doorOf, headers, body: bytes, splitAt }: Sent) {
  const logged = way.events.length;
  const socket = connect({ port: way.port, host: "127.0.0.1", allowHalfOpen: true });
  await once(socket, "connect");
  let answer = "";
  socket.setEncoding("latin1").on("data", (part: string) => void (answer += part));
  const ended = once(socket, "end");
  const head = [line, ...host, ...doorOf(way), ...headers].join("\r\n");
  const all = Buffer.concat([Buffer.from(`${head}\r\n\r\n`), bytes]);
  for (const piece of [all.subarray(0, splitAt), all.subarray(splitAt)]) {
    if (piece.length > 0 && socket.writable) socket.write(piece);
    await nextTurn();
  }
  socket.end();
  await ended;
  socket.destroy();
  const [top = "", ...rest] = answer.split("\r\n\r\n");
  const [status, ...allLines] = top.split("\r\n");
  // Whether a refusal ends its connection depends on how much of the request had come by then.
  const lines = allLines.filter((one) => !/^(connection|keep-alive):/i.test(one));
  return {
    head: [status, ...lines.map((one) => general(one)).toSorted()],
    body: general(rest.join("\r\n\r\n")),
    events: way.events
      .slice(logged)
      .map((event) => general(JSON.stringify({ ...event, error: undefined }), way)),
  };
}

function general(text: string, way?: Way): string {
  return text
    .replaceAll(way?.id ?? "nothing", "<organization>")
    .replaceAll(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, "<id>")
    .replace(/^date: .*/i, "<date>")
    .replace(/"duration_ms":[\d.]+/, "<duration>");
}

export const adminToken = "operator-token-of-the-tests-0123456789";
const now = Date.now();
const at = (minute: number) => new Date(now - minute * 60_000).toISOString();

const value = fc.oneof(
  fc.constantFrom<unknown>("a", "b", "nobody", "", "\0", 1, -300, 4.5, null, true, "4.5", [], {}),
  fc.nat(4).map(at),
  fc.constantFrom("2026-02-30T00:00:00Z", "1999-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "now"),
  fc.constantFrom(at(1).replace("Z", "+00:00"), at(2).replace(/\.\d+/, ""), at(1).toLowerCase()),
);
const good = fc.record({
  sensor_id: fc.constantFrom("a", "b"),
  recorded_at: fc.nat(6).map(at),
  temperature: fc.constantFrom(1, 2, -0, 1e-7),
});
const odd = fc
  .tuple(good, fc.constantFrom("sensor_id", "recorded_at", "temperature", "humidity", "__proto__"), value)
  .map(([reading, name, other]) => Object.fromEntries([...Object.entries(reading), [name, other]]));
const reading = fc.oneof({ weight: 5, arbitrary: good }, { weight: 2, arbitrary: odd }, value);
const document = fc.oneof(
  { weight: 3, arbitrary: good },
  reading,
  fc.array(reading, { maxLength: 6 }),
  fc.array(good, { minLength: 1_001, maxLength: 1_001 }),
  fc.record({ readings: fc.oneof(fc.array(reading, { maxLength: 6 }), value) }),
  fc.record({ readings: fc.array(good, { minLength: 1, maxLength: 3 }), more: value }),
);
const json = fc
  .tuple(document, fc.nat(2), fc.boolean())
  // JSON knows no infinity, but reads 1e999 as one.
  .map(([one, indent, isHuge]) =>
    (JSON.stringify(one, null, indent) ?? "").replace("4.5", isHuge ? "1e999" : "4.5"),
  );
const body = fc.oneof(
  { weight: 6, arbitrary: json.map((text) => Buffer.from(text)) },
  fc.tuple(json, fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 4 })).map(([text, place, bytes]) => {
    const whole = Buffer.from(text);
    const cut = whole.length === 0 ? 0 : place % whole.length;
    return Buffer.concat([whole.subarray(0, cut), bytes, whole.subarray(cut + 1)]);
  }),
  fc
    .constantFrom(
      "",
      "\uFEFF[]",
      "{",
      "null",
      `[${"1,".repeat(40_000)}1]`,
      '{"sensor_id":"a","sensor_id":"b"}',
    )
    .map((text) => Buffer.from(text)),
);

const mostly = <T>(usual: T, ...others: T[]) =>
  fc.oneof({ weight: 8, arbitrary: fc.constant(usual) }, fc.constantFrom(usual, ...others));
const door = mostly<Door>(
  ({ key }) => [`Authorization: Bearer ${key}`],
  ({ key }) => [`authorization: bearer   ${key} `],
  ({ key }) => [`Authorization: Bearer ${key}`, `Authorization: Bearer ${key}`],
  ({ key }) => [`Authorization: Bearer ${key}x`],
  ({ readKey }) => [`Authorization: Bearer ${readKey}`],
  () => [`Authorization: Bearer ${adminToken}`],
  () => ["Authorization: Basic a"],
  () => [],
);
const requestId = mostly<(way: Way) => string[]>(
  () => [],
  () => ["X-Request-Id: mine-1"],
  () => ["X-Request-Id: not sane"],
  () => ["X-Request-Id: one", "X-Request-Id: two"],
  ({ key }) => [`X-Request-Id: ${key}`],
);
const framed = fc
  .tuple(body, mostly("length", "chunks", "gzip", "identity", "br", "wait"))
  .map(([plain, form]) => {
    const bytes = form === "gzip" ? gzipSync(plain) : plain;
    const encoding =
      form === "gzip" || form === "identity" || form === "br" ? [`Content-Encoding: ${form}`] : [];
    if (form !== "chunks") {
      const waits = form === "wait" ? ["Expect: 100-continue"] : [];
      return { headers: [`Content-Length: ${bytes.length}`, ...encoding, ...waits], body: bytes };
    }
    const size =
      bytes.length === 0 ? [] : [Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")];
    return {
      headers: ["Transfer-Encoding: chunked"],
      body: Buffer.concat([...size, Buffer.from("0\r\n\r\n")]),
    };
  });
const type = mostly(
  ["Content-Type: application/json"],
  ["content-type: APPLICATION/JSON ; charset=utf-8"],
  ["Content-Type: application/jsonx"],
  ["Content-Type: application/json", "Content-Type: text/plain"],
  ["Content-Type: text/plain"],
  [],
);
/** Posts of readings, most of them plain but for one thing or two. */
export const sent: fc.Arbitrary<Sent> = fc
  .record({
    method: mostly("POST", "PUT", "post"),
    target: mostly(
      "/v1/readings",
      "/v1/readings?",
      "/v1/readings?a=1",
      "/v1/readings/",
      "/v1/./readings",
      "http://x/v1/readings",
    ),
    version: mostly("1.1", "1.0"),
    host: mostly(["Host: x"], ["Host: x:8080"], ["Host: X"], ["Host: a b"], ["Host: x", "Host: y"], []),
    door,
    requestId,
    framed,
    type,
    splitAt: fc.nat(400),
  })
  .map(({ method, target, version, framed: { headers, body: bytes }, type: types, ...rest }) => ({
    line: `${method} ${target} HTTP/${version}`,
    host: rest.host,
    door: (way) => [...rest.door(way), ...rest.requestId(way)],
    headers: [...types, ...headers],
    body: bytes,
    splitAt: rest.splitAt,
  }));

const plain: Sent = {
  line: "POST /v1/readings HTTP/1.1",
  host: ["Host: x"],
  door: ({ key }) => [`Authorization: Bearer ${key}`],
  headers: ["Content-Type: application/json"],
  body: Buffer.from(JSON.stringify({ sensor_id: "a", recorded_at: at(1), temperature: 1 })),
  splitAt: 0,
};
/** A plain post of one reading. */
export const whole: Sent = { ...plain, headers: [...plain.headers, `Content-Length: ${plain.body.length}`] };
