import { storeStripeEvent } from "../billing/inbox.ts";
import { stripeEventSchema } from "../billing/stripe-event.ts";
import { listEvents } from "../stripe/list-events.ts";
import { listThinEvents } from "../stripe/list-thin-events.ts";
import type { CommandTools } from "./command-tools.ts";
import type { Outcome } from "./outcome.ts";

/**
 * Stores the events since an instant that the inbox lacks; a worker handles them as if Stripe had delivered them now.
 */
export async function replayEvents(
  { db, openBoss, openStripe }: CommandTools,
  since: Date,
): Promise<Outcome> {
  const stripe = openStripe();
  const boss = await openBoss();
  let read = 0;
  let stored = 0;
  for (const events of [listEvents(stripe, since), listThinEvents(stripe, since)]) {
    for await (const event of events) {
      read += 1;
      if (await storeStripeEvent({ db, boss }, stripeEventSchema.parse(event))) stored += 1;
    }
  }
  return {
    kind: "done",
    document: { since: since.toISOString(), read, new: stored },
    text: `read ${read} events since ${since.toISOString()}, ${stored} of them new`,
  };
}
