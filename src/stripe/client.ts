import { IncomingMessage } from "node:http";
import Stripe from "stripe";

export type StripeOptions = {
  apiKey: string;
  /** Where every request goes: `https://api.stripe.com`, or a simulator. */
  apiBase: string;
  /** Bound of one whole request, from connecting to the last byte of the answer. */
  timeoutMs: number;
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
    httpClient: clientWithDeadline(options.timeoutMs),
    // Naming the default host would also send meter event streams there, which have a host of their own.
    ...(base.host !== "api.stripe.com" && {
      host: base.hostname,
      port: base.port === "" ? (isHttps ? 443 : 80) : Number(base.port),
      protocol: isHttps ? "https" : "http",
    }),
  });
}

type HttpClient = ReturnType<typeof Stripe.createNodeHttpClient>;

// An answer that drips byte by byte never trips a socket timeout: what is still open at the deadline is cut.
function clientWithDeadline(deadlineMs: number): HttpClient {
  const client = Stripe.createNodeHttpClient();
  const makeRequest = client.makeRequest.bind(client);
  client.makeRequest = async (...request) => {
    const startedAt = performance.now();
    const response = await makeRequest(...request);
    const body: unknown = response.getRawResponse();
    if (!(body instanceof IncomingMessage)) throw new Error("the SDK's answer is no IncomingMessage");
    const remainingMs = Math.max(0, deadlineMs - (performance.now() - startedAt));
    const deadline = setTimeout(() => body.destroy(new Error("deadline passed")), remainingMs);
    body.once("close", () => clearTimeout(deadline));
    return response;
  };
  return client;
}
