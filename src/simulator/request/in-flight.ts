import type { Answer } from "./answer.ts";
import { refuse } from "./errors.ts";

const separator = "\n";

/** A request being worked on. One whose client hung up still holds the lock, but is no longer the client's. */
export type Holder = { isAbandoned: () => boolean };

/** Requests under way by customer and meter, and the most that a client had under way at once. */
export type InFlight = { holders: Map<string, Set<Holder>>; max: Map<string, number> };

/** A customer's use of one meter: Stripe lets only one request at a time work on it. */
export type Pair = { eventName: string; customer: string };

/** Creates the empty register. */
export function createInFlight(): InFlight {
  return { holders: new Map(), max: new Map() };
}

/**
 * Registers a request for one customer and meter; `isFirst` is false when another one is under way, which Stripe
 * refuses (docs.stripe.com/rate-limits, certain). Call `leave` when the work ends.
 */
export function enterFlight(inFlight: InFlight, { eventName, customer }: Pair, holder: Holder) {
  const pair = `${eventName}${separator}${customer}`;
  const holders = inFlight.holders.get(pair) ?? new Set<Holder>();
  const isFirst = holders.size === 0;
  holders.add(holder);
  inFlight.holders.set(pair, holders);
  inFlight.max.set(pair, Math.max(inFlight.max.get(pair) ?? 0, openCount(holders)));
  return {
    isFirst,
    leave() {
      holders.delete(holder);
      if (holders.size === 0) inFlight.holders.delete(pair);
    },
  };
}

/** The pairs seen so far with the most requests that their sender had under way at once. */
export function maxInFlight(inFlight: InFlight): (Pair & { max: number })[] {
  return [...inFlight.max].map(([pair, max]) => {
    const [eventName = "", customer = ""] = pair.split(separator);
    return { eventName, customer, max };
  });
}

/** The answer to the second request. Sources conflict on its status, so it is a setting; v2's code is certain. */
export function parallelRefusal(status: 409 | 429, api: "v1" | "v2"): Answer {
  const message = "Another request for this customer and meter is in progress.";
  if (status === 429) return refuse(429, { type: "invalid_request_error", code: "lock_timeout", message });
  if (api === "v2") return refuse(409, { code: "too_many_concurrent_requests", message });
  return refuse(409, { type: "invalid_request_error", message });
}

function openCount(holders: Set<Holder>): number {
  if (holders.size === 1) return 1;
  let count = 0;
  for (const holder of holders) if (!holder.isAbandoned()) count += 1;
  return count;
}
