import type Stripe from "stripe";
import { usedEventTypes } from "./used-event-types.ts";
import { eachOf } from "./each-of.ts";

/** A webhook endpoint of the account that leads to a path. */
export type WebhookEndpoint = {
  id: string;
  url: string;
  isEnabled: boolean;
  /** The used types that it does not send. */
  missingTypes: string[];
};

/** The account's webhook endpoints whose URL ends with a path. Throws the SDK's error. */
export async function findWebhookEndpoints(stripe: Stripe, path: string): Promise<WebhookEndpoint[]> {
  const found: WebhookEndpoint[] = [];
  for await (const endpoint of eachOf(stripe.webhookEndpoints.list({ limit: 100 }))) {
    if (!new URL(endpoint.url).pathname.endsWith(path)) continue;
    const sent = endpoint.enabled_events;
    found.push({
      id: endpoint.id,
      url: endpoint.url,
      isEnabled: endpoint.status === "enabled",
      missingTypes: sent.includes("*") ? [] : usedEventTypes.filter((type) => !sent.includes(type)),
    });
  }
  return found;
}
