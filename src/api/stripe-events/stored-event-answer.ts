import { z } from "@hono/zod-openapi";
import { hideSecrets } from "./hide-secrets.ts";
import { inboxStates } from "../../billing/inbox.ts";
import type { StoredEvent } from "../../billing/list-stripe-events.ts";
import { storedTimeSchema } from "../../usage/recorded-at.ts";

/** An event of the webhook inbox as the API shows it. */
export const storedEventSchema = z
  .strictObject({
    id: z.string(),
    type: z.string(),
    state: z.enum(inboxStates),
    attempts: z.int(),
    received_at: z.iso.datetime(),
    handled_at: z.iso.datetime().nullable(),
    error: z.string().nullable(),
    dismissed_at: z.iso.datetime().nullable(),
    dismissed_because: z.string().nullable().openapi({ description: "the operator's reason" }),
    payload: z.unknown().openapi({ description: "as Stripe sent it, with what opens something hidden" }),
  })
  .openapi("StripeEvent");

export function renderStoredEvent(event: StoredEvent): z.infer<typeof storedEventSchema> {
  return {
    id: event.id,
    type: event.type,
    state: event.state,
    attempts: event.attempts,
    received_at: event.receivedAt,
    handled_at: event.handledAt,
    error: event.error,
    dismissed_at: event.dismissedAt,
    dismissed_because: event.dismissedBecause,
    payload: hideSecrets(event.payload),
  };
}

/** Where the page after an event of the inbox begins. */
export const inboxCursor = {
  schema: z.tuple([storedTimeSchema, z.string()]),
  keyOf: ({ receivedAt, id }: StoredEvent): [string, string] => [receivedAt, id],
};
