import type Stripe from "stripe";
import { usedEventTypes } from "./used-event-types.ts";

/** One page: enough to know that something is wrong, and since when. */
const eventsMax = 100;

export type UndeliveredEvents = { events: { id: string; type: string; createdAt: Date }[]; hasMore: boolean };

/**
 * The newest events of used types that Stripe could not deliver to an endpoint, made before an instant, one page of
 * them. Throws the SDK's error.
 */
export async function listUndelivered(stripe: Stripe, before: Date): Promise<UndeliveredEvents> {
  const page = await stripe.events.list({
    types: [...usedEventTypes],
    delivery_success: false,
    created: { lt: Math.floor(before.getTime() / 1_000) },
    limit: eventsMax,
  });
  const events = page.data.map(({ id, type, created }) => ({
    id,
    type,
    createdAt: new Date(created * 1_000),
  }));
  return { events, hasMore: page.has_more };
}
