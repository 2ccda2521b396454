import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isDatabaseUnavailable } from "./database-unavailable.ts";
import { createWatchedSocket } from "./watched-socket.ts";

let server: Server;
let accepted: Socket[];

beforeEach(async () => {
  accepted = [];
  server = createServer((socket) => {
    // A server does not learn why its client left.
    accepted.push(socket.on("error", () => {}));
    socket.on("data", (word) => {
      if (String(word) !== "silence") socket.write("row");
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
});

afterEach(() => {
  for (const socket of accepted) socket.destroy();
  server.close();
});

test("a connection over which nothing comes breaks off, and the database counts as unavailable", async () => {
  const socket = connect(100);
  socket.write("silence");

  const [error] = (await once(socket, "error").catch((thrown: unknown) => [thrown])) as [unknown];

  expect(error).toMatchObject({ message: expect.stringContaining("not a word") });
  expect(isDatabaseUnavailable(error)).toBe(true);
});

test("a connection lasts while words come and go", async () => {
  const socket = connect(1_000);
  const startedAtMs = performance.now();
  let spokeAtMs = startedAtMs;
  while (performance.now() - startedAtMs < 1_500 && !socket.destroyed) {
    spokeAtMs = performance.now();
    socket.write("select 1");
    await once(socket, "data").catch(() => {});
  }

  // The output also stops while the machine itself stands still; that alone may end the connection.
  const wasSilent = performance.now() - spokeAtMs > 500;
  expect(socket.destroyed && !wasSilent).toBe(false);
  socket.destroy();
});

function connect(silenceMs: number): Socket {
  return createWatchedSocket(silenceMs).connect((server.address() as AddressInfo).port, "127.0.0.1");
}
