import Stripe from "stripe";
import { type Tracer, untraced } from "../tracing/tracer.ts";
import { createHttpClient } from "./http-client.ts";

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
    httpClient: createHttpClient(options.timeoutMs, options.tracer ?? untraced),
    // Meter event streams have a host of their own only while this is Stripe's.
    host: base.hostname,
    port: base.port === "" ? (isHttps ? 443 : 80) : Number(base.port),
    protocol: isHttps ? "https" : "http",
  });
}
