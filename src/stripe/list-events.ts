import type Stripe from "stripe";
import { usedEventTypes } from "./used-event-types.ts";
import { eachOf } from "./each-of.ts";

/**
 * A small page: with the largest objects, invoices with all their lines, it must stay below the longest answer that is
 * read.
 */
const pageSize = 20;

/** docs.stripe.com/api/events: "going back up to 30 days". */
export const eventsKeptDays = 30;

/**
 * The events of the used types since an instant, in the order in which they happened, as Stripe would have delivered
 * them. Reads page by page while it is iterated; what happens meanwhile is read too. Throws the SDK's error.
 *
 * Only paging backwards, with `ending_before`, yields that order, and it needs an event to begin from
 * (docs.stripe.com/webhooks/process-undelivered-events).
 */
export async function* listEvents(stripe: Stripe, since: Date): AsyncGenerator<Stripe.Event> {
  const sinceSeconds = Math.floor(since.getTime() / 1_000);
  const types = [...usedEventTypes];
  const before = await stripe.events.list({ types, created: { lt: sinceSeconds }, limit: 1 });
  let start = before.data[0];
  if (start === undefined) {
    start = await findOldest(stripe, sinceSeconds);
    if (start === undefined) return;
    yield start;
  }
  yield* eachOf(stripe.events.list({ types, ending_before: start.id, limit: pageSize }));
}

/** Without an event before the instant, the first event after it is the last of the whole list. */
async function findOldest(stripe: Stripe, sinceSeconds: number): Promise<Stripe.Event | undefined> {
  let oldest: Stripe.Event | undefined;
  const newestFirst = stripe.events.list({
    types: [...usedEventTypes],
    created: { gte: sinceSeconds },
    limit: pageSize,
  });
  for await (const event of eachOf(newestFirst)) oldest = event;
  return oldest;
}
