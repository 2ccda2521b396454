import { connect, type Socket } from "node:net";
import { expect, onTestFinished } from "vitest";
import { serviceTest as test } from "../testing/fixtures/service-fixture.ts";
import { findFreePort } from "../testing/net/free-port.ts";
import { patienceMs } from "../testing/processes/patience.ts";

const held = 500;
const tooMany = 20;

test("clients of a worker's port cannot take the files that its work needs", async ({ launch }) => {
  const port = await findFreePort();
  const worker = launch("worker", { WORKER_PORT: String(port) });
  await worker.started();
  const open = new Set<Socket>();
  onTestFinished(() => open.forEach((socket) => socket.destroy()));

  for (let client = 0; client < held + tooMany; client += 1) {
    const socket = connect(port, "127.0.0.1");
    open.add(socket);
    socket.on("error", () => {}).on("close", () => open.delete(socket));
  }

  await expect.poll(() => open.size, { timeout: patienceMs(5_000) }).toBe(held);
});
