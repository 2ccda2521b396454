import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { Socket } from "node:net";
import { getRequestListener } from "@hono/node-server";
import type { App } from "./app.ts";
import { answerUnparsableRequest } from "./unparsable-request.ts";

/** What one client may take of the process, so that none can take all of it. */
export type ServerLimits = {
  /** Request line and headers together. */
  headerBytesMax: number;
  /** A client that dribbles its headers, or sends nothing at all, is cut off. */
  headersTimeoutMs: number;
  /** The same for the whole request, its body included. */
  requestTimeoutMs: number;
  slowClientCheckMs: number;
  /** A connection on which nothing moves, such as one that does not read its answer. */
  silenceTimeoutMs: number;
  keepAliveTimeoutMs: number;
  /** More are closed as they come. */
  connectionsMax: number;
};

const usualLimits: ServerLimits = {
  headerBytesMax: 16_384,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 60_000,
  slowClientCheckMs: 5_000,
  // Longer than any route works without a byte in or out: connecting to Postgres and one statement are 35 s.
  silenceTimeoutMs: 120_000,
  // Longer than the idle time of common load balancers: the side that closes first must be theirs.
  keepAliveTimeoutMs: 75_000,
  connectionsMax: 10_000,
};

const drainCheckMs = 50;

export type RunningServer = {
  port: number;
  /** Stops accepting, finishes the requests under way, and cuts those that take longer than the grace. */
  stop: (graceMs: number) => Promise<{ cut: boolean }>;
};

export type ServerOptions = { host: string; port: number; limits?: Partial<ServerLimits> };

/** Serves the application. Throws when the port cannot be had. */
export async function startServer(app: App, options: ServerOptions): Promise<RunningServer> {
  const limits = { ...usualLimits, ...options.limits };
  const listener = getRequestListener(app.fetch);
  const server = createServer(
    {
      maxHeaderSize: limits.headerBytesMax,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: limits.slowClientCheckMs,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
    },
    (incoming, outgoing) => void listener(incoming, outgoing),
  );
  server.maxConnections = limits.connectionsMax;
  server.setTimeout(limits.silenceTimeoutMs);
  server.on("clientError", answerUnparsableRequest);
  server.listen(options.port, options.host);
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : options.port;
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  return { port, stop: (graceMs) => stopServer({ server, sockets }, graceMs) };
}

async function stopServer(
  { server, sockets }: { server: Server; sockets: ReadonlySet<Socket> },
  graceMs: number,
): Promise<{ cut: boolean }> {
  let cut = false;
  const closed = once(server, "close");
  server.close();
  // A kept-alive connection becomes idle only when its answer is out, after close() looked for idle ones.
  const drain = setInterval(() => {
    server.closeIdleConnections();
    // Nor does Node call a connection idle on which nothing was ever sent, as clients open them ahead of need.
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
  }, drainCheckMs);
  const deadline = setTimeout(() => {
    cut = true;
    server.closeAllConnections();
  }, graceMs);
  await closed;
  clearInterval(drain);
  clearTimeout(deadline);
  return { cut };
}
