import { once } from "node:events";
import { createServer } from "node:net";

/**
 * Below the ports that Linux, macOS and Windows give to outgoing connections and to programs that ask for any port. So
 * a program that listens here, stops and listens again finds its port still free.
 */
const ports = { min: 15_000, max: 32_000 };
const triesMax = 100;
/** Windows keeps whole ranges for itself, and answers with the second code. */
const takenCodes: readonly unknown[] = ["EADDRINUSE", "EACCES"];

/**
 * A TCP port of 127.0.0.1 that was free a moment ago, drawn by chance. Another process may take it first: be ready to
 * try again.
 */
export async function findFreePort(): Promise<number> {
  for (let tries = 1; ; tries += 1) {
    const port = ports.min + Math.floor(Math.random() * (ports.max - ports.min));
    if (await isFree(port)) return port;
    if (tries === triesMax) throw new Error(`${triesMax} ports, drawn by chance, are all taken`);
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch (error) {
    if (error instanceof Error && "code" in error && takenCodes.includes(error.code)) return false;
    throw error;
  }
  server.close();
  await once(server, "close");
  return true;
}
