import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { lingerOn } from "./linger.ts";

const readersMax = 16;

/** Server's ends of connections on which each client has sent so many bytes, and reads nothing. */
async function openConnections(count: number, bytes: number): Promise<Socket[]> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const opened: Socket[] = [];
  server.on("connection", (socket) => opened.push(socket));
  const { port } = server.address() as AddressInfo;
  const clients = Array.from({ length: count }, () => connect({ port, host: "127.0.0.1" }));
  onTestFinished(() => {
    for (const client of clients) client.destroy();
    server.close();
  });
  for (const client of clients) client.on("error", () => {}).write(Buffer.alloc(bytes));
  await expect.poll(() => opened.length).toBe(count);
  return opened;
}

test("of many refused clients few are read at a time, each in its turn", async () => {
  const sockets = await openConnections(60, 100_000);
  for (const socket of sockets) lingerOn(socket);

  let readersAtFirst = 0;
  while (readersAtFirst === 0) {
    await nextTurn();
    readersAtFirst = sockets.filter(({ bytesRead }) => bytesRead > 0).length;
  }

  expect(readersAtFirst).toBeLessThanOrEqual(readersMax);
  await expect.poll(() => sockets.every(({ bytesRead }) => bytesRead === 100_000)).toBe(true);
});

test("clients that send nothing hold up none that does, and all are closed in the end", async () => {
  const silent = await openConnections(readersMax * 2, 0);
  const sending = await openConnections(1, 2_000_000);
  for (const socket of [...silent, ...sending]) lingerOn(socket);

  const [socket] = sending;
  await expect.poll(() => socket?.bytesRead).toBeGreaterThan(1_000_000);
  // The last piece may go beyond the limit by its own length.
  await expect.poll(() => [...silent, ...sending].every(({ destroyed }) => destroyed)).toBe(true);
  expect(socket?.bytesRead).toBeLessThan(1_500_000);
});
