import { once } from "node:events";
import { Agent as HttpAgent, request } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { Agent, fetch as fetchWith } from "undici";
import { expect, onTestFinished, test } from "vitest";
import { silentLog } from "../log.ts";
import { createApp } from "./app.ts";
import { requireAdmin } from "./authentication.ts";
import { HeldBytes } from "./held-bytes.ts";
import { holdInShare } from "./hold-bytes.ts";
import { startServer } from "./server.ts";
import { bodyBytesMax, takeBody } from "./take-body.ts";

const adminToken = "operator-token-of-the-tests-0123456789";
const authorization = `Bearer ${adminToken}`;

async function serve() {
  const held = new HeldBytes();
  const app = createApp({ log: silentLog, held });
  app.get("/", (c) => c.text("here"));
  app.use("/large", holdInShare(held, "reader"));
  app.get("/large", (c) => c.text("x".repeat(32 * 1_048_576)));
  app.post("/body", requireAdmin({ adminToken }), takeBody, async (c) => c.text(await c.req.text()));
  const server = await startServer(app, { host: "127.0.0.1", port: 0, held });
  onTestFinished(async () => void (await server.stop(0)));
  return { port: server.port, url: `http://127.0.0.1:${server.port}`, held };
}

test.each([
  ["is too large", { authorization }, bodyBytesMax + 1, 413],
  ["comes without a token", {}, bodyBytesMax, 401],
  ["comes in pieces and without a token", { "transfer-encoding": "chunked" }, bodyBytesMax, 401],
])(
  "a client whose body %s is told that the connection ends, and its next requests are answered",
  async (_what, headers, bytes, status) => {
    const { url } = await serve();
    const agent = new HttpAgent({ keepAlive: true, maxSockets: 1 });
    onTestFinished(() => agent.destroy());
    for (let turn = 0; turn < 5; turn += 1) {
      const asked = request(`${url}/body`, { method: "POST", agent, headers });
      asked.end(Buffer.alloc(bytes, "x"));
      const [refused] = await once(asked, "response");
      expect([refused.statusCode, refused.headers["connection"]]).toEqual([status, "close"]);
      expect(await text(refused)).toContain('"request_id"');
      const [next] = await once(request(url, { agent }).end(), "response");
      expect(await text(next)).toBe("here");
    }
  },
);

test("fetch, which keeps its connections, is never reset by a refusal of a body that it still sends", async () => {
  const { url } = await serve();
  const dispatcher = new Agent({ connections: 1 });
  onTestFinished(() => dispatcher.close());
  const statuses: number[] = [];
  for (let turn = 0; turn < 10; turn += 1) {
    const headers: Record<string, string> = turn % 2 === 0 ? { authorization } : {};
    const body = "x".repeat(bodyBytesMax + 1);
    const refused = await fetchWith(`${url}/body`, { method: "POST", body, headers, dispatcher });
    statuses.push(refused.status);
    await refused.text();
    statuses.push((await fetchWith(url, { dispatcher })).status);
  }
  expect(statuses).toEqual(Array.from({ length: 5 }, () => [413, 200, 401, 200]).flat());
});

test("a connection whose request was read to its end is kept", async () => {
  const { url } = await serve();
  const answer = await fetch(`${url}/body`, { method: "POST", body: "hello", headers: { authorization } });
  expect(answer.headers.get("connection")).toBe("keep-alive");
  expect(await answer.text()).toBe("hello");
});

test("a client that ends its side after its request gets its answer", async () => {
  const { port } = await serve();
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.end(
    `POST /body HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nContent-Length: 2\r\n\r\nhi`,
  );
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*hi$/);
});

test("a broken request on a connection that was answered before is answered, too", async () => {
  const { port } = await serve();
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.end("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nBroken\r\n\r\n");
  const answers = await text(socket);
  expect(answers).toMatch(
    /^HTTP\/1\.1 200 OK\r\n[^]*hereHTTP\/1\.1 400 Bad Request\r\n[^]*malformed_request/,
  );
});

test("an answer that its reader does not take counts as held until the reader has gone", async () => {
  const { port, held } = await serve();
  const socket = connect({ port, host: "127.0.0.1" });
  socket.on("error", () => {});
  socket.pause();
  socket.write("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  await expect.poll(() => held.bytes).toBeGreaterThan(1_048_576);
  expect(held.shareOf("reader").bytes).toBe(held.bytes);
  socket.destroy();
  await expect.poll(() => held.bytes).toBe(0);
});

test("a connection that asks for more than it waits for is told so, and ends", async () => {
  const { port } = await serve();
  const socket = connect({ port, host: "127.0.0.1" });
  socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(300));
  const statuses = [...(await text(socket)).matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status);
  expect(statuses).toEqual([...Array.from({ length: 100 }, () => "200"), "503"]);
});

test.each([
  ["with a wrong token, never", "Bearer wrong", ["401"]],
  ["with the right one, when its body is read", authorization, ["100", "200"]],
])("a client that waits with its body is told to send it: %s", async (_when, door, expected) => {
  const { port } = await serve();
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  socket
    .setEncoding("latin1")
    .write(
      `POST /body HTTP/1.1\r\nHost: x\r\nAuthorization: ${door}\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n`,
    );
  let answer = String((await once(socket, "data"))[0]);
  if (answer.includes(" 100 ")) socket.write("hi");
  for await (const part of socket) answer += String(part);
  expect([...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)).toEqual(expected);
});

test("while the process is full, requests are refused with the time to wait, and probes are answered", async () => {
  const held = new HeldBytes(100);
  const app = createApp({ log: silentLog, held });
  app.get("/", (c) => c.text("here"));
  app.get("/healthz", (c) => c.text("well"));
  held.begin().keep(100);
  const refused = await app.request("/");
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
  expect(await refused.json()).toMatchObject({ code: "overloaded" });
  expect((await app.request("/healthz")).status).toBe(200);
});
