import type Stripe from "stripe";
import { usedEventTypes } from "./used-event-types.ts";
import { eachOf } from "./each-of.ts";

/** Enough to know that something is wrong, and since when. */
const eventsMax = 100;
/** A small page: with the largest objects it must stay below the longest answer that is read. */
const pageSize = 20;

export type UndeliveredEvents = { events: { id: string; type: string; createdAt: Date }[]; hasMore: boolean };

/**
 * The newest events of used types that Stripe could not deliver to an endpoint, made before an instant, so many of them.
 * Throws the SDK's error.
 */
export async function listUndelivered(stripe: Stripe, before: Date): Promise<UndeliveredEvents> {
  const events: UndeliveredEvents["events"] = [];
  const listed = stripe.events.list({
    types: [...usedEventTypes],
    delivery_success: false,
    created: { lt: Math.floor(before.getTime() / 1_000) },
    limit: pageSize,
  });
  for await (const { id, type, created } of eachOf(listed)) {
    if (events.length === eventsMax) return { events, hasMore: true };
    events.push({ id, type, createdAt: new Date(created * 1_000) });
  }
  return { events, hasMore: false };
}
