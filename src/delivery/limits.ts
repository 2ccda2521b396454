const hourMs = 3_600_000;

/**
 * Stripe remembers an identifier for at least 24 hours (docs.stripe.com/api/billing/meter-event/create). An hour is
 * kept in hand for clocks and for the request itself.
 */
export const identifierSafeMs = 23 * hourMs;

/** Stripe refuses usage older than 35 days; a day is kept in hand. */
export const eventAgeMsMax = 34 * 24 * hourMs;

/** An event whose attempts began and never ended this often in a row kills its worker. */
export const unfinishedAttemptsMax = 3;

/** How long a worker has an event to itself, beyond the requests' own deadlines, before another may try. */
const leaseMarginSeconds = 15;

/**
 * Seconds after which an attempt that was begun and not settled counts as lost with its worker. An attempt is as many
 * requests as its transport makes one after the other, each with its own deadline, and before it one other attempt's.
 */
export function leaseSeconds(timeoutMs: number, requests = 1): number {
  return Math.ceil((2 * timeoutMs * requests) / 1_000) + leaseMarginSeconds;
}
