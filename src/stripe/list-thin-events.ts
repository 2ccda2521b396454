import type Stripe from "stripe";
import { usedThinEventTypes } from "./used-event-types.ts";
import { eachOf } from "./each-of.ts";

const pageSize = 100;

/**
 * The thin events of the used types since an instant, without their `data`, as they are delivered. Their order is
 * Stripe's and has no meaning; each event stands alone. Throws the SDK's error.
 */
export async function* listThinEvents(stripe: Stripe, since: Date): AsyncGenerator<object> {
  for await (const event of eachOf(
    stripe.v2.core.events.list({ types: [...usedThinEventTypes], limit: pageSize }),
  )) {
    if (new Date(event.created) >= since) yield { ...event, data: undefined };
  }
}
