import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isDatabaseUnavailable } from "../http/database-unavailable.ts";
import { createWatchedSocket } from "./watched-socket.ts";

let server: Server;
let accepted: Socket[];

beforeEach(async () => {
  accepted = [];
  server = createServer((socket) => {
    // A server never hears why its client left.
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
  const socket = await connect(100);
  socket.write("silence");

  const [error] = (await once(socket, "error").catch((thrown: unknown) => [thrown])) as [unknown];

  expect(error).toMatchObject({ message: expect.stringContaining("not a word") });
  expect(isDatabaseUnavailable(error)).toBe(true);
});

test("a connection lasts while words come and go", async () => {
  const socket = await connect(1_000);
  const startedAtMs = performance.now();
  while (performance.now() - startedAtMs < 1_500) {
    socket.write("select 1");
    await once(socket, "data");
  }

  expect(socket.destroyed).toBe(false);
  socket.destroy();
});

async function connect(silenceMs: number): Promise<Socket> {
  const socket = createWatchedSocket(silenceMs);
  socket.connect((server.address() as AddressInfo).port, "127.0.0.1");
  await once(socket, "connect");
  return socket;
}
