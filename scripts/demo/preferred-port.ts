import { once } from "node:events";
import { createServer } from "node:net";
import { findFreePort } from "../../src/testing/net/free-port.ts";

/** The port, or any free one when another process has it. */
export async function preferPort(port: number): Promise<number> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch {
    return findFreePort();
  }
  server.close();
  await once(server, "close");
  return port;
}
