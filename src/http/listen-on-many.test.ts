import { once } from "node:events";
import { connect } from "node:net";
import { platform } from "node:os";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { silentLog } from "../log.ts";
import { createApp } from "./app.ts";
import { startServer } from "./server.ts";

const connections = 320;
/** Only on Linux can sockets share an address. */
const perTurn = platform() === "linux" ? 4 : 0;

async function serve(port = 0) {
  const app = createApp({ log: silentLog });
  app.get("/healthz", (c) => c.text("well"));
  app.get("/work", (c) => {
    const endsAtMs = performance.now() + 20;
    while (performance.now() < endsAtMs) continue;
    return c.text("done");
  });
  const server = await startServer(app, { host: "127.0.0.1", port });
  onTestFinished(async () => void (await server.stop(0)));
  return server.port;
}

function open(port: number, text: string) {
  const socket = connect({ port, host: "127.0.0.1" });
  onTestFinished(() => void socket.destroy());
  socket.write(text);
  return once(socket, "data");
}

test("several connections are taken in a turn of the event loop", async () => {
  const port = await serve();
  const counting = { turns: 0, isOver: false };
  const answers = Array.from({ length: connections }, () =>
    open(port, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"),
  );
  void Promise.all(answers).then(() => (counting.isOver = true));
  for (; !counting.isOver; counting.turns += 1) await nextTurn();
  expect(connections / counting.turns).toBeGreaterThan(perTurn);
});

test("a port that one server has is refused to another", async () => {
  const port = await serve();
  await expect(serve(port)).rejects.toThrow("EADDRINUSE");
});

test("a port that was given back is had again at once, by one of two that ask together", async () => {
  const first = await startServer(createApp({ log: silentLog }), { host: "127.0.0.1", port: 0 });
  await first.stop(0);
  const asked = await Promise.allSettled([serve(first.port), serve(first.port)]);
  expect(asked.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
});

test("a probe is answered before the requests that wait for their turn", async () => {
  const port = await serve();
  let done = 0;
  const works = Array.from({ length: 20 }, async () => {
    await open(port, "GET /work HTTP/1.1\r\nHost: x\r\n\r\n");
    done += 1;
  });
  const [answer] = await open(port, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  expect(String(answer)).toMatch(/^HTTP\/1.1 200 OK/);
  expect(done).toBeLessThan(10);
  await Promise.all(works);
});
