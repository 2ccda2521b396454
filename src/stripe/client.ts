import { IncomingMessage } from "node:http";
import Stripe from "stripe";
import { type Tracer, untraced } from "../tracing/tracer.ts";
import { traceRequest } from "./trace-request.ts";

export type StripeOptions = {
  apiKey: string;
  /** Where every request goes: `https://api.stripe.com`, or a simulator. */
  apiBase: string;
  /** Bound of one whole request, from connecting to the last byte of the answer. */
  timeoutMs: number;
  tracer?: Tracer;
};

/**
 * The Stripe SDK as this service uses it: no retries of its own (pg-boss owns them, and each attempt is recorded), no
 * telemetry, and a deadline for the whole request, since the SDK's own timeout counts only silence on the socket.
 */
export function createStripe(options: StripeOptions): Stripe {
  const base = new URL(options.apiBase);
  const isHttps = base.protocol === "https:";
  return new Stripe(options.apiKey, {
    maxNetworkRetries: 0,
    telemetry: false,
    timeout: options.timeoutMs,
    httpClient: clientWithDeadline(options.timeoutMs, options.tracer ?? untraced),
    // Meter event streams have a host of their own only while this is Stripe's.
    host: base.hostname,
    port: base.port === "" ? (isHttps ? 443 : 80) : Number(base.port),
    protocol: isHttps ? "https" : "http",
  });
}

type HttpClient = ReturnType<typeof Stripe.createNodeHttpClient>;
type HttpResponse = Awaited<ReturnType<HttpClient["makeRequest"]>>;

function clientWithDeadline(deadlineMs: number, tracer: Tracer): HttpClient {
  const client = Stripe.createNodeHttpClient();
  const makeRequest = client.makeRequest.bind(client);
  const makeRequestInTime: HttpClient["makeRequest"] = async (...request) => {
    const endsAtMs = performance.now() + deadlineMs;
    try {
      const response = await withHeadersInTime(makeRequest(...request), deadlineMs);
      cutAt(endsAtMs, bodyOf(response));
      return response;
    } catch (error) {
      throw withoutCodeOfClosing(error);
    }
  };
  client.makeRequest = (...request) => {
    const [host, port, path, method] = request;
    return traceRequest(tracer, { host, port, path, method }, () => makeRequestInTime(...request));
  };
  return client;
}

// A connection that is not made, a handshake or headers that never end: none of them trips the socket's timeout.
async function withHeadersInTime(
  responding: Promise<HttpResponse>,
  deadlineMs: number,
): Promise<HttpResponse> {
  let deadline: NodeJS.Timeout | undefined;
  const passed = new Promise<"passed">((resolve) => {
    deadline = setTimeout(() => resolve("passed"), deadlineMs);
  });
  const first = await Promise.race([responding, passed]).finally(() => clearTimeout(deadline));
  if (first !== "passed") return first;
  // Nobody waits for it any more: what still comes is thrown away.
  responding.then((late) => bodyOf(late).destroy()).catch(() => {});
  throw Object.assign(new Error("deadline passed"), { code: "ETIMEDOUT" });
}

// An answer that drips byte by byte never trips a socket timeout: what is still open at the deadline is cut.
function cutAt(endsAtMs: number, body: IncomingMessage): void {
  const remainingMs = Math.max(0, endsAtMs - performance.now());
  const deadline = setTimeout(() => {
    body.destroy(Object.assign(new Error("deadline passed"), { code: "ETIMEDOUT" }));
  }, remainingMs);
  body.once("close", () => clearTimeout(deadline));
}

function bodyOf(response: HttpResponse): IncomingMessage {
  const body: unknown = response.getRawResponse();
  if (!(body instanceof IncomingMessage)) throw new Error("the SDK's answer is no IncomingMessage");
  return body;
}

const codesOfClosing = ["ECONNRESET", "EPIPE"];

// By these codes the SDK sends once more, even with `maxNetworkRetries: 0`: twice as long, and one attempt recorded.
function withoutCodeOfClosing(error: unknown): unknown {
  const isClosing =
    error instanceof Error && "code" in error && codesOfClosing.some((code) => code === error.code);
  return isClosing ? new Error("the connection was closed", { cause: error }) : error;
}
