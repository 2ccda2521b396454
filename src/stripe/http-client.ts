import type { IncomingHttpHeaders } from "node:http";
import Stripe from "stripe";
import { Agent, type Dispatcher } from "undici";
import type { Tracer } from "../tracing/tracer.ts";
import { traceRequest } from "./trace-request.ts";

type HttpClient = NonNullable<Stripe.StripeConfig["httpClient"]>;

/**
 * How the SDK's requests travel: by undici, at a fraction of what the SDK's own client costs a worker, with one deadline
 * for the whole request, from connecting to the last byte of the answer. Nothing is sent twice: undici sends again only
 * what never left, and the SDK only what fails with the codes that are taken away here.
 */
export function createHttpClient(deadlineMs: number, tracer: Tracer): HttpClient {
  const agent = new Agent({ connect: { timeout: deadlineMs }, allowH2: false });
  const client = new Stripe.HttpClient();
  client.getClientName = () => "undici";
  client.makeRequest = (host, port, path, method, headers, body, protocol) =>
    traceRequest(tracer, { host, port, path, method }, () =>
      send(agent, deadlineMs, { origin: `${protocol}://${host}:${port}`, path, method, headers, body }),
    );
  return client;
}

type Headers = Record<string, string | string[]>;

/** The SDK's answer once all of it is there. */
function send(agent: Agent, deadlineMs: number, request: Dispatcher.DispatchOptions): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  let controller: Dispatcher.DispatchController | undefined;
  let lateness: Error | undefined;
  let status = 0;
  let headers: Headers = {};
  const chunks: Buffer[] = [];
  const deadline = setTimeout(() => {
    lateness = Stripe.HttpClient.makeTimeoutError();
    reject(lateness);
    controller?.abort(lateness);
  }, deadlineMs);
  agent.dispatch(request, {
    onRequestStart(started) {
      controller = started;
      // It waited for its connection until nobody waited for it any more: so it is never sent.
      if (lateness !== undefined) started.abort(lateness);
    },
    onResponseStart(_controller, statusCode, received) {
      status = statusCode;
      headers = present(received);
    },
    onResponseData(_controller, chunk) {
      chunks.push(chunk);
    },
    onResponseEnd() {
      clearTimeout(deadline);
      resolve(new Answer(status, headers, Buffer.concat(chunks).toString()));
    },
    onResponseError(_controller, error) {
      clearTimeout(deadline);
      reject(withoutCodeOfClosing(error));
    },
  });
  return promise;
}

/** An answer that has come whole. */
class Answer extends Stripe.HttpClientResponse {
  readonly #text: string;
  /** What the SDK hands out as `lastResponse`, with the status and the ids that it adds. */
  readonly #raw: { headers: Headers };

  constructor(status: number, headers: Headers, text: string) {
    super(status, headers);
    this.#text = text;
    this.#raw = { headers };
  }

  override getRawResponse(): unknown {
    return this.#raw;
  }

  override async toJSON(): Promise<unknown> {
    return JSON.parse(this.#text);
  }
}

function present(headers: IncomingHttpHeaders): Headers {
  const all: Headers = {};
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) all[name] = value;
  return all;
}

const codesOfClosing = ["ECONNRESET", "EPIPE", "UND_ERR_SOCKET"];

// By the first two codes the SDK sends once more, even with `maxNetworkRetries: 0`: twice as long, and one attempt
// recorded. So the code stands one cause deeper; undici's own name for a closed connection is told as the system's.
function withoutCodeOfClosing(error: unknown): unknown {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (!codesOfClosing.some((closing) => closing === code)) return error;
  const cause = Object.assign(new Error("the connection was closed", { cause: error }), {
    code: code === "EPIPE" ? code : "ECONNRESET",
  });
  return new Error(cause.message, { cause });
}
