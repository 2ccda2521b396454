import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { Socket } from "node:net";
import { getRequestListener } from "@hono/node-server";
import type { App } from "./app.ts";
import { answerUnparsableRequest } from "./unparsable-request.ts";

/** A client that dribbles its headers or body is cut off, so that it cannot hold a connection for ever. */
const headersTimeoutMs = 10_000;
const requestTimeoutMs = 60_000;
const slowClientCheckMs = 5_000;
/** Longer than the idle time of common load balancers: the side that closes first must be theirs. */
const keepAliveTimeoutMs = 75_000;
const drainCheckMs = 50;

export type RunningServer = {
  port: number;
  /** Stops accepting, finishes the requests under way, and cuts those that take longer than the grace. */
  stop: (graceMs: number) => Promise<{ cut: boolean }>;
};

/** Serves the application. Throws when the port cannot be had. */
export async function startServer(app: App, options: { host: string; port: number }): Promise<RunningServer> {
  const listener = getRequestListener(app.fetch);
  const server = createServer(
    {
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: slowClientCheckMs,
      keepAliveTimeout: keepAliveTimeoutMs,
    },
    (incoming, outgoing) => void listener(incoming, outgoing),
  );
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
