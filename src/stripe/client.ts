import Stripe from "stripe";
import { type Tracer, untraced } from "../tracing/tracer.ts";
import type { ExchangeOptions } from "./exchange.ts";
import { createHttpClient, type HttpClient } from "./http-client.ts";
import type { Pace } from "./pace-reads.ts";
import { createStripeClock, type StripeClock } from "./stripe-clock.ts";

/**
 * The version of Stripe's API that every request names, whatever the account's default is: this service reads the
 * fields of this version. A newer SDK does not change it.
 */
const stripeApiVersion = "2026-10-28.endive";

export type StripeOptions = {
  apiKey: string;
  /** The base of every request: `https://api.stripe.com`, or a simulator. */
  apiBase: string;
  /** Bound of one whole request, from connecting to the last byte of the answer. */
  timeoutMs: number;
  tracer?: Tracer;
  /** Learns Stripe's time from the answers. */
  clock?: StripeClock;
  /** When reads may leave; at once without it. */
  pace?: Pace;
};

/**
 * The Stripe SDK as this service uses it: no retries of its own (pg-boss owns them, and each attempt is recorded), no
 * telemetry, and a deadline for the whole request, since the SDK's own timeout counts only silence on the socket.
 */
export function createStripe(options: StripeOptions): Stripe {
  return createStripeOn(createHttpClient(exchangeOptionsOf(options), options.pace), options);
}

/** How requests travel with these options. */
export function exchangeOptionsOf({
  timeoutMs,
  tracer = untraced,
  clock = createStripeClock(Date.now),
}: StripeOptions): ExchangeOptions {
  return { deadlineMs: timeoutMs, tracer, clock };
}

/** The same, whose requests travel otherwise. */
export function createStripeOn(
  httpClient: HttpClient,
  { apiKey, apiBase, timeoutMs }: Pick<StripeOptions, "apiKey" | "apiBase" | "timeoutMs">,
): Stripe {
  return new Stripe(apiKey, {
    apiVersion: stripeApiVersion,
    maxNetworkRetries: 0,
    telemetry: false,
    timeout: timeoutMs,
    httpClient,
    // Meter event streams have a host of their own only while this is Stripe's.
    ...stripeAddress(apiBase),
  });
}

/** Where requests go. */
export function stripeAddress(apiBase: string): { protocol: "http" | "https"; host: string; port: number } {
  const base = new URL(apiBase);
  const isHttps = base.protocol === "https:";
  return {
    protocol: isHttps ? "https" : "http",
    host: base.hostname,
    port: base.port === "" ? (isHttps ? 443 : 80) : Number(base.port),
  };
}
