import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { silentLog } from "../log.ts";
import { createApp } from "./app.ts";
import { startServer } from "./server.ts";

/** A server with one route that answers when it is told to. */
async function startSlowServer() {
  const arrived = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const app = createApp({ log: silentLog });
  app.get("/slow", async (c) => {
    arrived.resolve();
    await release.promise;
    return c.text("done");
  });
  const server = await startServer(app, { host: "127.0.0.1", port: 0 });
  return {
    ...server,
    url: `http://127.0.0.1:${server.port}/slow`,
    arrived: arrived.promise,
    release: release.resolve,
  };
}

test("a request under way is finished before the server stops, and no new one is taken", async () => {
  const server = await startSlowServer();
  const answer = fetch(server.url);
  await server.arrived;
  const stopped = server.stop(10_000);
  await expect(fetch(server.url)).rejects.toThrow("fetch failed");
  server.release();
  expect(await (await answer).text()).toBe("done");
  expect(await stopped).toEqual({ cut: false });
});

test("a request that takes longer than the grace is cut", async () => {
  const server = await startSlowServer();
  const asked = request(server.url).end();
  const failed = once(asked, "response").catch((error: unknown) => error);
  await server.arrived;
  expect(await server.stop(10)).toEqual({ cut: true });
  expect(await failed).toBeInstanceOf(Error);
  server.release();
});

test("a connection on which nothing was ever sent does not hold up the stop", async () => {
  const server = await startSlowServer();
  const silent = connect(server.port, "127.0.0.1");
  await once(silent, "connect");
  expect(await server.stop(10_000)).toEqual({ cut: false });
  silent.destroy();
});

test("what is not HTTP is told so in the form of every failure", async () => {
  const server = await startSlowServer();
  const socket = connect(server.port, "127.0.0.1");
  socket.end("GET / HTTP/1.1\r\nno header\r\n\r\n");
  const answer = await text(socket);
  expect(answer).toMatch(/^HTTP\/1.1 400 Bad Request\r\nContent-Type: application\/problem\+json\r\n/);
  expect(answer).toContain("X-Request-Id: ");
  expect(answer).toContain('"code":"malformed_request"');
  await server.stop(0);
});

test.each([
  ["1.0", 404, "not_found"],
  ["1.1", 400, "malformed_request"],
])("a request of HTTP/%s without a Host is answered %i", async (version, status, code) => {
  const server = await startSlowServer();
  const socket = connect(server.port, "127.0.0.1");
  socket.write(`GET /nowhere HTTP/${version}\r\nConnection: close\r\n\r\n`);
  const answer = await text(socket);
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect(answer).toContain(`"code":"${code}"`);
  await server.stop(0);
});
