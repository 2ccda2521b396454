import type { Answer } from "./answer.ts";
import { refuse } from "./errors.ts";

type Bucket = { tokens: number; filledAtMs: number };

/** One token bucket per API key for meter events, and one per key and endpoint for reads. */
export type Buckets = Map<string, Bucket>;

/** docs.stripe.com/rate-limits, certain. */
export const rateLimitReasons = [
  "global-rate",
  "global-concurrency",
  "endpoint-rate",
  "endpoint-concurrency",
  "resource-specific",
] as const;

export type RateLimitReason = (typeof rateLimitReasons)[number];

type Draw = { bucketOf: string; events: number; perSecond: number; nowMs: number };

/** Draws `events` tokens; false when there are too few. A bucket holds one second's worth. */
export function drawTokens(buckets: Buckets, { bucketOf, events, perSecond, nowMs }: Draw): boolean {
  // A request larger than the bucket would otherwise never be let in.
  const capacity = Math.max(perSecond, events);
  const bucket = buckets.get(bucketOf) ?? { tokens: capacity, filledAtMs: nowMs };
  const refill = (Math.max(0, nowMs - bucket.filledAtMs) / 1000) * perSecond;
  const tokens = Math.min(capacity, bucket.tokens + refill);
  const isEnough = tokens >= events;
  buckets.set(bucketOf, { tokens: isEnough ? tokens - events : tokens, filledAtMs: nowMs });
  return isEnough;
}

/** 429 with the reason in its header. An Idempotency-Key never keeps it. */
export function rateLimited(reason: RateLimitReason, retryAfterSeconds?: number): Answer {
  const error = {
    type: "invalid_request_error",
    code: "rate_limit",
    message: "Too many requests (simulated).",
  };
  const headers = {
    "Stripe-Rate-Limited-Reason": reason,
    ...(retryAfterSeconds === undefined ? {} : { "Retry-After": String(retryAfterSeconds) }),
  };
  return refuse(429, error, { headers });
}

/** 429 of a lock that was not free in time: it carries no rate-limit header (same page, certain). */
export function lockTimeout(): Answer {
  const message = "This object cannot be accessed right now because another request is using it.";
  return refuse(429, { type: "invalid_request_error", code: "lock_timeout", message });
}
