const hourMs = 3_600_000;

/**
 * Stripe remembers an identifier for at least 24 hours (docs.stripe.com/api/billing/meter-event/create). An hour is
 * kept in hand for clocks and for the request itself.
 */
export const identifierSafeMs = 23 * hourMs;

/** Stripe refuses usage older than 35 days; a day is kept in hand. */
export const eventAgeMsMax = 34 * 24 * hourMs;

/** Stripe refuses usage more than 5 minutes ahead of its clock; a minute is kept in hand. */
export const eventAheadMsMax = 4 * 60_000;

/** An event whose attempts began and never ended this often in a row kills its worker. */
export const unfinishedAttemptsMax = 3;

/** From so many on, the next attempt is an event's last one, which begins alone: it could take others with it. */
export const unfinishedTogetherMax = unfinishedAttemptsMax - 1;

/** A worker has an event to itself for this long, beyond the requests' own deadlines, before another worker may try. */
const leaseMarginSeconds = 15;

/**
 * Attempts that have begun, for each request that may be under way: its own and those that wait for it. More than one
 * waits, since the database begins and settles many at once at little more than the cost of one.
 */
export const attemptsPerSlot = 4;

/**
 * Seconds after which an attempt that was begun and not settled counts as lost with its worker. An attempt takes as
 * many requests as its transport makes one after the other, each with its own deadline, and the requests of the
 * attempts that it waits for come before.
 */
export function leaseSeconds(timeoutMs: number, requests = 1): number {
  return Math.ceil((attemptsPerSlot * timeoutMs * requests) / 1_000) + leaseMarginSeconds;
}

/**
 * Milliseconds after its beginning until which an attempt may be made: then it ends inside its lease, with half of the margin
 * left for its settling. One that got its turn later could end when another worker has begun the next one.
 */
export function turnMsMax(lease: number): number {
  const attemptSeconds = (lease - leaseMarginSeconds) / attemptsPerSlot;
  return (lease - attemptSeconds - leaseMarginSeconds / 2) * 1_000;
}
