import type { IncomingHttpHeaders } from "node:http";
import Stripe from "stripe";
import { Agent, type Dispatcher } from "undici";
import type { Tracer } from "../tracing/tracer.ts";
import { ForeignAnswer } from "./foreign-answer.ts";
import { judgeAnswer } from "./judge-answer.ts";
import type { StripeClock } from "./stripe-clock.ts";
import { traceRequest } from "./trace-request.ts";

export type ExchangeOptions = {
  /** For the whole request, from connecting to the last byte of the answer. */
  deadlineMs: number;
  tracer: Tracer;
  /** Learns Stripe's time from the answers. */
  clock: StripeClock;
};

export type ExchangeRequest = {
  protocol: string;
  host: string;
  port: string | number;
  method: Dispatcher.HttpMethod;
  path: string;
  headers: Exclude<Dispatcher.DispatchOptions["headers"], undefined>;
  body: string | null;
};

export type ReceivedHeaders = Record<string, string | string[]>;

/** A complete answer of Stripe's own; its status says whether it grants the request. */
export type StripesAnswer = { status: number; headers: ReceivedHeaders; body: Record<string, unknown> };

/**
 * An idle connection is kept so long, unless the server names a time of its own: from one seal to the next. undici's 4
 * seconds would open all connections anew for each.
 */
const keepAliveMs = 35_000;

/** Stripe's longest answers are pages of a list. A longer answer is not Stripe's, and is not read to its end. */
export const answerBytesMax = 1024 * 1024;

/**
 * How requests travel to Stripe: by undici, at a fraction of what the SDK's own client costs a worker, with one deadline for
 * the whole request. Nothing is sent twice: undici sends again only what never left. Throws a `ForeignAnswer` where
 * another server answered, and what undici throws where none did.
 */
export function createExchange(
  options: ExchangeOptions,
): (request: ExchangeRequest) => Promise<StripesAnswer> {
  const agent = new Agent({
    connect: { timeout: options.deadlineMs },
    keepAliveTimeout: keepAliveMs,
    allowH2: false,
  });
  return async ({ protocol, host, port, method, path, headers, body }) => {
    const request = { origin: `${protocol}://${host}:${port}`, path, method, headers, body };
    const received = await traceRequest(options.tracer, { host, port, path, method }, () =>
      send(agent, options.deadlineMs, request),
    );
    const judged = judgeAnswer({ method, path }, received);
    options.clock.observe(received.headers["date"]);
    return { status: received.status, headers: received.headers, body: judged };
  };
}

type Received = { status: number; headers: ReceivedHeaders; text: string };

/** Reads a whole answer, Stripe's or not. */
function send(agent: Agent, deadlineMs: number, request: Dispatcher.DispatchOptions): Promise<Received> {
  const { promise, resolve, reject } = Promise.withResolvers<Received>();
  let controller: Dispatcher.DispatchController | undefined;
  let given: Error | undefined;
  let status: number | undefined;
  let headers: ReceivedHeaders = {};
  let bytes = 0;
  const chunks: Buffer[] = [];
  const fail = (error: unknown) => {
    clearTimeout(deadline);
    reject(withStatus(error, status));
  };
  const giveUp = (reason: Error) => {
    given = reason;
    fail(reason);
    controller?.abort(reason);
  };
  const deadline = setTimeout(() => giveUp(Stripe.HttpClient.makeTimeoutError()), deadlineMs);
  const handler: Dispatcher.DispatchHandler = {
    onRequestStart(started) {
      controller = started;
      // The caller gave up while the request waited for a connection: so it is never sent.
      if (given !== undefined) started.abort(given);
    },
    onResponseStart(_controller, statusCode, received) {
      status = statusCode;
      headers = present(received);
    },
    onResponseData(_controller, chunk) {
      bytes += chunk.length;
      if (bytes <= answerBytesMax) chunks.push(chunk);
      else giveUp(new ForeignAnswer(status ?? 0, `it is longer than ${answerBytesMax} bytes`));
    },
    onResponseEnd() {
      clearTimeout(deadline);
      resolve({ status: status ?? 0, headers, text: Buffer.concat(chunks).toString() });
    },
    onResponseError(_controller, error) {
      fail(withoutCodeOfClosing(error));
    },
  };
  try {
    agent.dispatch(request, handler);
  } catch (error) {
    fail(error);
  }
  return promise;
}

/** Stripe's notices to developers, which the SDK writes to stderr, are left out. */
function present(headers: IncomingHttpHeaders): ReceivedHeaders {
  const all: ReceivedHeaders = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && name !== "stripe-notice") all[name] = value;
  }
  return all;
}

/** Passes on the status of an answer that began and did not end. */
function withStatus(error: unknown, httpStatus: number | undefined): unknown {
  return error instanceof Error && httpStatus !== undefined ? Object.assign(error, { httpStatus }) : error;
}

const codesOfClosing = ["ECONNRESET", "EPIPE", "UND_ERR_SOCKET"];

// After an error with one of the first two codes the SDK sends once more, even with `maxNetworkRetries: 0`: twice as
// long, and one attempt recorded. So the code is moved one cause deeper. undici's own code for a closed connection
// becomes the system's.
function withoutCodeOfClosing(error: unknown): unknown {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (!codesOfClosing.some((closing) => closing === code)) return error;
  const cause = Object.assign(new Error("the connection was closed", { cause: error }), {
    code: code === "EPIPE" ? code : "ECONNRESET",
  });
  return new Error(cause.message, { cause });
}
