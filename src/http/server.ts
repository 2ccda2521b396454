import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Server as NetServer, Socket } from "node:net";
import { getRequestListener, type HttpBindings, type Http2Bindings } from "@hono/node-server";
import { createAnswersUnderWay } from "./answers-under-way.ts";
import type { App } from "./app-env.ts";
import { bareProblem } from "./bare-problem.ts";
import { createFirstReads } from "./first-reads.ts";
import { HeldBytes } from "./held-bytes.ts";
import { lingerOn } from "./linger.ts";
import { listenOnMany, portOf } from "./listen-on-many.ts";
import { answerOddRequests, letClientsWait } from "./odd-requests.ts";
import { overloaded } from "./overloaded.ts";
import { probes } from "./request-log.ts";
import { createRequestTurns } from "./request-turns.ts";
import { malformedRequest } from "./unparsable-request.ts";

/** The share of the process that one client may take, so that none can take all of it. */
export type ServerLimits = {
  /** Request line and headers together. */
  headerBytesMax: number;
  /** A client that sends its headers too slowly, or sends nothing at all, is cut off. */
  headersTimeoutMs: number;
  /** The same for the whole request, its body included. */
  requestTimeoutMs: number;
  slowClientCheckMs: number;
  /** The timeout of a connection on which nothing moves, such as one whose client does not read its answer. */
  silenceTimeoutMs: number;
  /** The same while part of an answer waits for the client to read it. */
  unreadTimeoutMs: number;
  keepAliveTimeoutMs: number;
  /** Further connections are closed as they come. As many may wait to be accepted, if the system allows it. */
  connectionsMax: number;
};

const usualLimits: ServerLimits = {
  headerBytesMax: 16_384,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 60_000,
  slowClientCheckMs: 5_000,
  // Longer than any route works without a byte in or out: connecting to Postgres and one statement are 35 s.
  silenceTimeoutMs: 120_000,
  unreadTimeoutMs: 30_000,
  // Longer than the idle time of common load balancers: they must close first.
  keepAliveTimeoutMs: 75_000,
  connectionsMax: 10_000,
};

const drainCheckMs = 50;
const readAheadBytes = 16_384;
/** Requests of one connection that are sent before the answers to those before. */
const pipelinedMax = 100;

type Env = (HttpBindings | Http2Bindings) & { share?: HeldBytes };

export type RunningServer = {
  port: number;
  /** Stops accepting, finishes the requests under way, and cuts those that take longer than the grace. */
  stop: (graceMs: number) => Promise<{ cut: boolean }>;
};

export type ServerOptions = {
  host: string;
  port: number;
  limits?: Partial<ServerLimits>;
  /** Where waiting answers count; the application's own object, or none. */
  held?: HeldBytes;
};

/** An application, or a part of one that answers alone. */
export type Served = Pick<App, "fetch" | "shortcut">;

/** Serves the application. Throws when the port is not free. */
export async function startServer(app: Served, options: ServerOptions): Promise<RunningServer> {
  const limits = { ...usualLimits, ...options.limits };
  const answers = createAnswersUnderWay({ held: options.held ?? new HeldBytes(), ...limits });
  const listener = getRequestListener(
    async (request, env: Env) => {
      const response = await answerRequest(app, request, env);
      if (env.share !== undefined) answers.countIn(env.outgoing, env.share);
      return response;
    },
    { errorHandler: answerUnreadable },
  );
  async function answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    if (incoming.socket.destroyed) return;
    const answered = app.shortcut?.(incoming, outgoing);
    if (answered !== undefined) return answers.holdUnread(outgoing, await answered);
    await listener(incoming, outgoing);
    answers.holdUnread(outgoing);
  }
  const inTurn = createRequestTurns();
  function receive(incoming: IncomingMessage, outgoing: ServerResponse): void {
    // After the last answer of a connection no further work is done for it.
    if (incoming.socket.writableEnded) return void incoming.resume();
    answers.begin(outgoing);
    // HTTP/1.0 has no Host: some load balancers probe so.
    if (incoming.httpVersion === "1.0") incoming.headers.host ??= "localhost";
    if (answers.of(incoming.socket).length > pipelinedMax) return refuseMore(incoming, outgoing);
    if (probes.has(incoming.url ?? "")) void answer(incoming, outgoing);
    else inTurn(callerOf(incoming), () => void answer(incoming, outgoing));
  }
  const server = createServer(
    {
      maxHeaderSize: limits.headerBytesMax,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: limits.slowClientCheckMs,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      // Of a body that no route reads one piece comes in, and no second one.
      highWaterMark: readAheadBytes,
      // Node would answer with nothing but a status; `answerUnreadable` says what is missing.
      requireHostHeader: false,
    },
    receive,
  );
  // A client that ends its side after its request gets its answer all the same.
  Object.assign(server, { httpAllowHalfOpen: true });
  server.setTimeout(limits.silenceTimeoutMs);
  answerOddRequests(server, answers.of);
  letClientsWait(server, receive);
  const watch = setInterval(answers.watchReaders, limits.slowClientCheckMs);
  server.once("close", () => clearInterval(watch));
  const sockets = new Set<Socket>();
  // Before Node's own listener, which would begin to read.
  server.prependListener("connection", (socket) => {
    if (sockets.size >= limits.connectionsMax) return void socket.destroy();
    sockets.add(socket);
    closeGently(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.on("connection", createFirstReads());
  const listening = await listenOnMany(server, {
    ...options,
    backlog: limits.connectionsMax,
    highWaterMark: readAheadBytes,
  });
  return { port: portOf(server), stop: (graceMs) => stopServer({ server, listening, sockets }, graceMs) };
}

/** Whose turn a request waits for: the token's, and that of the path where a request has none, as Stripe's webhooks. */
function callerOf({ headers, url = "" }: IncomingMessage): string {
  return headers.authorization ?? url;
}

/**
 * Says `Connection: close` where the answer is ready before the whole request came: the rest is never read, so that no
 * other request can follow it, and a client that tried would be cut off in the middle.
 */
async function answerRequest(app: Served, request: Request, env: Env): Promise<Response> {
  const response = await app.fetch(request, env);
  if (!env.incoming.complete) response.headers.set("Connection", "close");
  return response;
}

/** The last answer of a connection that has asked for more than it waits for; what follows is dropped. */
function refuseMore(incoming: IncomingMessage, outgoing: ServerResponse): void {
  incoming.resume();
  const { status, headers, body } = bareProblem(
    overloaded(`At most ${pipelinedMax} requests of one connection are under way at once.`),
  );
  outgoing.writeHead(status, headers).end(body);
}

/** For requests that Node can read and no application can answer: without a host, or with an invalid one. */
function answerUnreadable(): Response {
  const { status, headers, body } = bareProblem(
    malformedRequest("The request has no valid target and Host."),
  );
  return new Response(body, { status, headers });
}

/** Node closes a connection as soon as its last answer is out, which resets it when the client is still sending. */
function closeGently(socket: Socket): void {
  socket.destroySoon = () => {
    if (socket.writable) socket.end();
    lingerOn(socket);
  };
}

async function stopServer(
  {
    server,
    listening,
    sockets,
  }: { server: Server; listening: readonly NetServer[]; sockets: ReadonlySet<Socket> },
  graceMs: number,
): Promise<{ cut: boolean }> {
  let cut = false;
  const closed = Promise.all(listening.map((one) => once(one, "close")));
  for (const one of listening) one.close();
  // A kept-alive connection becomes idle only when its answer is out, after close() looked for idle ones.
  const drain = setInterval(() => {
    server.closeIdleConnections();
    // Node does not call a connection idle on which nothing was ever sent; clients open such ones in advance.
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
