import type { IncomingHttpHeaders } from "node:http";
import Stripe from "stripe";
import { Agent, type Dispatcher } from "undici";
import type { Tracer } from "../tracing/tracer.ts";
import { ForeignAnswer } from "./foreign-answer.ts";
import { judgeAnswer } from "./judge-answer.ts";
import type { StripeClock } from "./stripe-clock.ts";
import { traceRequest } from "./trace-request.ts";

type HttpClient = NonNullable<Stripe.StripeConfig["httpClient"]>;

export type HttpClientOptions = {
  /** For the whole request, from connecting to the last byte of the answer. */
  deadlineMs: number;
  tracer: Tracer;
  /** Learns Stripe's time from the answers. */
  clock: StripeClock;
};

/** Stripe's longest answers are pages of a list. A longer answer is not Stripe's, and is not read to its end. */
export const answerBytesMax = 1024 * 1024;

/**
 * How the SDK's requests travel: by undici, at a fraction of what the SDK's own client costs a worker, with one deadline
 * for the whole request. Nothing is sent twice: undici sends again only what never left, and the SDK only what fails with
 * the codes that are taken away here.
 *
 * The SDK is shown only answers of Stripe's own: it looks for an `error` in the body and never at the status, and a body
 * that is no object ends the process in its hands. Every other answer is thrown as a `ForeignAnswer`, which the SDK hands
 * on as the detail of a connection error.
 */
export function createHttpClient(options: HttpClientOptions): HttpClient {
  const agent = new Agent({ connect: { timeout: options.deadlineMs }, allowH2: false });
  const client = new Stripe.HttpClient();
  client.getClientName = () => "undici";
  client.makeRequest = async (host, port, path, method, headers, body, protocol) => {
    const request = { origin: `${protocol}://${host}:${port}`, path, method, headers, body };
    const {
      status,
      headers: received,
      text,
    } = await traceRequest(options.tracer, { host, port, path, method }, () =>
      send(agent, options.deadlineMs, request),
    );
    const judged = judgeAnswer({ method, path }, { status, text });
    options.clock.observe(received["date"]);
    return new JudgedAnswer(status, received, judged);
  };
  return client;
}

type Headers = Record<string, string | string[]>;
type Received = { status: number; headers: Headers; text: string };

/** Reads a whole answer, Stripe's or not. */
function send(agent: Agent, deadlineMs: number, request: Dispatcher.DispatchOptions): Promise<Received> {
  const { promise, resolve, reject } = Promise.withResolvers<Received>();
  let controller: Dispatcher.DispatchController | undefined;
  let given: Error | undefined;
  let status: number | undefined;
  let headers: Headers = {};
  let bytes = 0;
  const chunks: Buffer[] = [];
  const giveUp = (reason: Error) => {
    given = reason;
    reject(withStatus(reason, status));
    controller?.abort(reason);
  };
  const deadline = setTimeout(() => giveUp(Stripe.HttpClient.makeTimeoutError()), deadlineMs);
  void promise.catch(() => {}).finally(() => clearTimeout(deadline));
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
      resolve({ status: status ?? 0, headers, text: Buffer.concat(chunks).toString() });
    },
    onResponseError(_controller, error) {
      reject(withStatus(withoutCodeOfClosing(error), status));
    },
  };
  try {
    agent.dispatch(request, handler);
  } catch (error) {
    reject(error);
  }
  return promise;
}

/** A complete answer of Stripe's. */
class JudgedAnswer extends Stripe.HttpClientResponse {
  readonly #body: object;
  /** The SDK returns this as `lastResponse`, with the status and the ids that it adds. */
  readonly #raw: { headers: Headers };

  constructor(status: number, headers: Headers, body: object) {
    super(status, headers);
    this.#body = body;
    this.#raw = { headers };
  }

  override getRawResponse(): unknown {
    return this.#raw;
  }

  override async toJSON(): Promise<unknown> {
    return this.#body;
  }
}

/** Stripe's notices to developers, which the SDK writes to stderr, are left out. */
function present(headers: IncomingHttpHeaders): Headers {
  const all: Headers = {};
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
