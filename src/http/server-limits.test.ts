import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { silentLog } from "../log.ts";
import { createApp } from "./app.ts";
import { type ServerLimits, startServer } from "./server.ts";

/** A server with short limits, and bare connections to it; both end with the test. */
async function serve(limits: Partial<ServerLimits>) {
  const app = createApp({ log: silentLog });
  app.get("/", (c) => c.text("here"));
  const cut = Promise.withResolvers<void>();
  app.get("/large", (c) => {
    c.req.raw.signal.addEventListener("abort", () => cut.resolve());
    return c.body("x".repeat(64 * 1_048_576));
  });
  app.post("/body", async (c) => c.text(await c.req.text()));
  const server = await startServer(app, {
    host: "127.0.0.1",
    port: 0,
    limits: { slowClientCheckMs: 50, ...limits },
  });
  const sockets = new Set<Socket>();
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await server.stop(0);
  });

  async function open(): Promise<Socket> {
    const socket = connect({ port: server.port, host: "127.0.0.1", allowHalfOpen: true });
    // A client that the server cuts off may see a reset.
    socket.on("error", () => {});
    sockets.add(socket);
    await once(socket, "connect");
    return socket;
  }
  /** Polled where the limits are short: a client that stood still meanwhile is cut off, too. */
  const ask = async () => (await fetch(`http://127.0.0.1:${server.port}/`)).status;
  return { open, ask, cut: cut.promise };
}

/** Sends the text one byte at a time, until it is out or the other side closes. */
async function dribble(socket: Socket, bytes: string): Promise<void> {
  for (const byte of bytes) {
    if (!socket.writable) return;
    socket.write(byte);
    await pause(20);
  }
}

test("headers that come byte by byte are not waited for", async () => {
  const { open, ask } = await serve({ headersTimeoutMs: 200, requestTimeoutMs: 10_000 });
  const socket = await open();
  const answer = text(socket);
  await dribble(socket, `GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ${"a".repeat(10_000)}`);
  expect(await answer).toMatch(/^HTTP\/1.1 408 Request Timeout\r\n.*"code":"request_timeout"/s);
  await expect.poll(ask).toBe(200);
});

test("a body that comes byte by byte is not waited for", async () => {
  const { open, ask } = await serve({ headersTimeoutMs: 100, requestTimeoutMs: 300 });
  const socket = await open();
  const answer = text(socket);
  socket.write("POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n");
  await dribble(socket, "a".repeat(10_000));
  expect(await answer).toMatch(/^HTTP\/1.1 408 Request Timeout\r\n/);
  await expect.poll(ask).toBe(200);
});

test("a connection on which nothing comes is closed", async () => {
  const { open } = await serve({ headersTimeoutMs: 200 });
  expect(await text(await open())).toContain("408 Request Timeout");
});

test("a kept connection on which nothing more comes is closed", async () => {
  const { open } = await serve({ keepAliveTimeoutMs: 200 });
  const socket = await open();
  socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  expect(await text(socket)).toMatch(/^HTTP\/1.1 200 OK\r\n/);
});

test("a client that does not read its answer is cut off", async () => {
  const { open, cut } = await serve({ unreadTimeoutMs: 300 });
  const socket = await open();
  socket.write("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  await expect(cut).resolves.toBeUndefined();
});

test.for([
  ["a header", `GET / HTTP/1.1\r\nHost: x\r\nX-Large: ${"a".repeat(2_000)}\r\n\r\n`],
  ["an address", `GET /${"a".repeat(2_000)} HTTP/1.1\r\nHost: x\r\n\r\n`],
] as const)("%s that is too long is refused", async ([, request]) => {
  const { open } = await serve({ headerBytesMax: 1_024 });
  const socket = await open();
  socket.write(request);
  expect(await text(socket)).toMatch(
    /^HTTP\/1.1 431 Request Header Fields Too Large\r\n.*"code":"headers_too_large"/s,
  );
});

test("connections above the limit are closed, and taken again when others have gone", async () => {
  const { open, ask } = await serve({ connectionsMax: 2 });
  const first = await open();
  await open();
  expect(await text(await open())).toBe("");
  first.destroy();
  await expect.poll(ask).toBe(200);
});

test("many idle connections do not keep others waiting", async () => {
  const { open, ask } = await serve({});
  await Promise.all(Array.from({ length: 300 }, async () => open()));
  expect(await ask()).toBe(200);
});
