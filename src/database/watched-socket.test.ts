import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { setInterval as every } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isDatabaseUnavailable } from "../http/database-unavailable.ts";
import { createWatchedSocket } from "./watched-socket.ts";

const silenceMs = 150;

let server: Server;
let accepted: Socket[];

beforeEach(async () => {
  accepted = [];
  server = createServer((socket) => {
    // A server never hears why its client left.
    accepted.push(socket.on("error", () => {}));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
});

afterEach(() => {
  for (const socket of accepted) socket.destroy();
  server.close();
});

test("a connection over which nothing comes breaks off, and the database counts as unavailable", async () => {
  const socket = await connect();
  socket.write("select 1");

  const [error] = (await once(socket, "error").catch((thrown: unknown) => [thrown])) as [unknown];

  expect(error).toMatchObject({ message: expect.stringContaining("not a word") });
  expect(isDatabaseUnavailable(error)).toBe(true);
});

test("a connection lasts while something comes now and then", async () => {
  const socket = await connect();
  const [atServer] = accepted.length > 0 ? accepted : ((await once(server, "connection")) as Socket[]);
  let words = 0;
  for await (const _ of every(silenceMs / 5)) {
    atServer?.write("row");
    words += 1;
    if (words === 15) break;
  }

  expect(socket.destroyed).toBe(false);
  socket.destroy();
});

async function connect(): Promise<Socket> {
  const socket = createWatchedSocket(silenceMs);
  socket.resume().connect((server.address() as AddressInfo).port, "127.0.0.1");
  await once(socket, "connect");
  return socket;
}
