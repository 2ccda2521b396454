import { once } from "node:events";
import type { Server as HttpServer } from "node:http";
import { createServer, type Server } from "node:net";

/**
 * libuv takes one connection of a listening socket in a turn of the event loop: behind a thousand others a new
 * connection would wait a thousand turns.
 */
export const listeningSocketsMax = 256;

/** `highWaterMark` is that of the server's own connections. */
export type ListenOptions = { host: string; port: number; backlog: number; highWaterMark: number };

/**
 * Makes the server listen on several sockets of one address, so that it takes several connections in a turn; on one
 * socket where the system has no SO_REUSEPORT. Throws when another process listens there. Returns all listening
 * servers.
 */
export async function listenOnMany(server: HttpServer, options: ListenOptions): Promise<Server[]> {
  // Sockets that share an address would let a second process share it, too. The system chooses a free port by itself.
  if (options.port !== 0) await expectFree(options);
  if (!(await canShare(server, options))) return [server];
  const shared = { ...options, port: portOf(server), reusePort: true };
  const others: Server[] = [];
  while (others.length < listeningSocketsMax - 1) {
    const other = createServer(
      { allowHalfOpen: true, noDelay: true, highWaterMark: options.highWaterMark },
      (socket) => server.emit("connection", socket),
    );
    await listen(other, shared);
    others.push(other);
  }
  return [server, ...others];
}

export function portOf(server: Server): number {
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the server listens on no port");
  return address.port;
}

async function expectFree(options: ListenOptions): Promise<void> {
  const alone = createServer();
  await listen(alone, options);
  const closed = once(alone, "close");
  alone.close();
  await closed;
}

async function canShare(server: HttpServer, options: ListenOptions): Promise<boolean> {
  try {
    await listen(server, { ...options, reusePort: true });
    return true;
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOTSUP")) throw error;
    await listen(server, options);
    return false;
  }
}

async function listen(server: Server, options: ListenOptions & { reusePort?: boolean }): Promise<void> {
  server.listen(options);
  await once(server, "listening");
}
