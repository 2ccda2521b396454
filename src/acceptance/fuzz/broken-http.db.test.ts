import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { expect } from "vitest";
import { startServer } from "../../http/server.ts";
import { apiTest } from "../../testing/fixtures/api-fixture.ts";
import { until } from "../../testing/processes/until.ts";
import { keepChangeLedger } from "./change-ledger.ts";

/** The bytes written to the bare connection, given the header that authenticates and a body that would be stored. */
type Case = { what: string; send: (door: string, body: string) => string; answer: RegExp; isOpen?: true };

const post = (door: string, ...headers: string[]) =>
  ["POST /v1/readings HTTP/1.1", "Host: x", door, "Content-Type: application/json", ...headers, "", ""].join(
    "\r\n",
  );
const get = (target: string, ...headers: string[]) =>
  [`GET ${target} HTTP/1.1`, "Host: x", ...headers, "", ""].join("\r\n");
const chunk = (data: string) => `${data.length.toString(16)}\r\n${data}\r\n`;
const malformed = /^HTTP\/1\.1 400 Bad Request\r\n.*"code":"malformed_request"/s;
const tooMuch = /^HTTP\/1\.1 431 .*"code":"headers_too_large"/s;
const status = (code: number) => new RegExp(`^HTTP/1\\.1 ${code} [^]*"code":"\\w+"`);

const cases: Case[] = [
  { what: "no HTTP at all", send: () => "hello\r\n\r\n", answer: malformed },
  {
    what: "the start of a TLS handshake",
    send: () => "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
    answer: malformed,
  },
  {
    what: "a version from the future",
    send: () => "GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n",
    answer: malformed,
  },
  {
    what: "a method that nobody knows",
    send: () => "BREW /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    answer: malformed,
  },
  { what: "no host", send: () => "GET /healthz HTTP/1.1\r\n\r\n", answer: malformed },
  {
    what: "a host that is none",
    send: () => "GET /healthz HTTP/1.1\r\nHost: a b@[\r\n\r\n",
    answer: malformed,
  },
  { what: "a header without a colon", send: () => get("/healthz", "Broken"), answer: malformed },
  { what: "a blank before a colon", send: () => get("/healthz", "Broken : 1"), answer: malformed },
  { what: "a zero byte in a header", send: () => get("/healthz", "X: a\0b"), answer: malformed },
  {
    what: "a target of another kind",
    send: () => "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    answer: malformed,
  },
  { what: "a tunnel", send: () => "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", answer: status(405) },
  {
    what: "an upgrade",
    send: () => get("/v1/readings", "Connection: upgrade", "Upgrade: websocket"),
    answer: status(401),
  },
  {
    what: "a flood of headers",
    send: () => get("/healthz", ...Array<string>(5_000).fill("a: 1")),
    answer: tooMuch,
  },
  { what: "a huge header", send: () => get("/healthz", `A: ${"a".repeat(20_000)}`), answer: tooMuch },
  { what: "a huge target", send: () => get(`/${"a".repeat(20_000)}`), answer: tooMuch },
  {
    what: "two lengths",
    send: (door, body) => post(door, `Content-Length: ${body.length}`, "Content-Length: 1") + body,
    answer: malformed,
  },
  {
    what: "a length and chunks",
    send: (door, body) =>
      post(door, "Content-Length: 5", "Transfer-Encoding: chunked") + chunk(body) + chunk(""),
    answer: malformed,
  },
  {
    what: "a length below 0",
    send: (door, body) => post(door, "Content-Length: -1") + body,
    answer: malformed,
  },
  {
    what: "a length that is none",
    send: (door, body) => post(door, "Content-Length: 1e3") + body,
    answer: malformed,
  },
  {
    what: "a length that nobody may send",
    send: (door) => post(door, "Content-Length: 99999999999"),
    answer: status(413),
    // Its client goes on sending; a client that ended here would have cut its body, which is a 400.
    isOpen: true,
  },
  {
    what: "a length that cuts the body",
    send: (door, body) => post(door, `Content-Length: ${body.length - 1}`) + body,
    answer: status(400),
  },
  {
    what: "half a body",
    send: (door, body) => post(door, `Content-Length: ${body.length}`) + body.slice(0, -5),
    answer: malformed,
  },
  {
    what: "a whole body that promised more",
    send: (door, body) => post(door, `Content-Length: ${body.length + 1}`) + body,
    answer: malformed,
  },
  {
    what: "half a body of lines",
    send: (door, body) => post(door, "Content-Length: 9999").replace("json", "x-ndjson") + `${body}\n`,
    answer: malformed,
  },
  {
    what: "a chunk of no length",
    send: (door, body) => `${post(door, "Transfer-Encoding: chunked")}zz\r\n${body}\r\n`,
    answer: malformed,
  },
  {
    what: "a chunk that is longer than it says",
    send: (door, body) => `${post(door, "Transfer-Encoding: chunked")}5\r\n${body}\r\n0\r\n\r\n`,
    answer: malformed,
  },
  {
    what: "chunks without an end",
    send: (door, body) => post(door, "Transfer-Encoding: chunked") + chunk(body),
    answer: malformed,
  },
  {
    what: "a chunk with endless extensions",
    send: (door, body) => `${post(door, "Transfer-Encoding: chunked")}5;${"a".repeat(20_000)}\r\n${body}`,
    answer: /^HTTP\/1\.1 4\d\d /,
  },
  {
    what: "an encoding of the transfer that nobody knows",
    send: (door, body) => post(door, "Transfer-Encoding: gzip, x") + body,
    answer: malformed,
  },
  {
    what: "an expectation that nobody meets",
    send: (door, body) => post(door, `Content-Length: ${body.length}`, "Expect: miracles") + body,
    answer: status(417),
  },
];

const test = apiTest.extend("bare", async ({ api, database }, { onCleanup }) => {
  const { key } = await api.join();
  await api.ask("PUT", "/v1/sensors/a", { token: key });
  const readChanges = await keepChangeLedger(database);
  const server = await startServer(api.app, { host: "127.0.0.1", port: 0 });
  onCleanup(async () => void (await server.stop(0)));

  async function open(): Promise<Socket> {
    const socket = connect({ port: server.port, host: "127.0.0.1", allowHalfOpen: true });
    await once(socket, "connect");
    return socket;
  }
  /** Writes, ends its own side of the connection unless it stays open, and reads until the other side ends. */
  async function exchange(sent: string, { isOpen = false } = {}): Promise<string> {
    const socket = await open();
    socket.write(sent, "latin1");
    if (!isOpen) socket.end();
    const came = await text(socket);
    socket.destroy();
    return came;
  }
  const body = JSON.stringify({ sensor_id: "a", recorded_at: new Date().toISOString(), temperature: 1 });
  const door = `Authorization: Bearer ${key}`;
  const isAlive = async () => (await fetch(`http://127.0.0.1:${server.port}/healthz`)).ok;
  return { open, exchange, readChanges, isAlive, body, door };
});

test("requests that are no HTTP, or end too early, are refused and store nothing", async ({ bare, api }) => {
  for (const { what, send, answer, isOpen } of cases) {
    const came = await bare.exchange(send(bare.door, bare.body), { isOpen: isOpen === true });
    expect(came, what).toMatch(answer);
    expect(came, what).toMatch(/\r\nx-request-id: \S+\r\n/i);
    expect(came, what).toMatch(/\r\ncontent-type: application\/problem\+json\r\n/i);
    expect(await bare.readChanges(), what).toEqual([]);
  }
  expect(await bare.isAlive()).toBe(true);
  expect(api.events.filter(({ event }) => event === "http_request_failed")).toEqual([]);
});

test("a client that goes away amid its body leaves nothing, and takes nobody with it", async ({
  bare,
  api,
}) => {
  const begun = bare.body.slice(0, -5);
  for (const headers of [`Content-Length: ${bare.body.length}`, "Transfer-Encoding: chunked"]) {
    const socket = await bare.open();
    socket.write(`${post(bare.door, headers)}${headers.startsWith("C") ? begun : chunk(begun)}`);
    const asked = api.events.length;
    await bare.isAlive();
    socket.resetAndDestroy();
    // Its own line in the log says that the server is done with it.
    await until(() => api.events.length > asked + 1, { what: "the end of the request" });
  }
  expect(await bare.readChanges()).toEqual([]);
  expect(await bare.isAlive()).toBe(true);
});

test("requests one behind the other on a connection are each taken", async ({ bare }) => {
  const one = post(bare.door, `Content-Length: ${bare.body.length}`) + bare.body;
  const socket = await bare.open();
  let answers = "";
  socket.setEncoding("latin1").on("data", (part: string) => void (answers += part));
  socket.write(`${one}${one}`);
  await until(() => answers.includes('"duplicates":1'), { what: "both answers", standing: () => answers });
  socket.destroy();

  expect(answers.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2);
  const changes = (await bare.readChanges()).map(({ what }) => what);
  expect(changes.toSorted()).toEqual(["meter_outbox INSERT", "readings INSERT"]);
});
