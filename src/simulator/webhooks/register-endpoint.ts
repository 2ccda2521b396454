import { randomBytes } from "node:crypto";
import type { Simulation } from "../state.ts";
import type { WebhookEndpoint } from "./endpoint.ts";

/** docs.stripe.com/webhooks, certain: at most 16 in an account. */
export const endpointsMax = 16;

/** Registers an endpoint: it gets the events from now on. */
export function registerEndpoint(
  state: Simulation,
  endpoint: Omit<WebhookEndpoint, "id" | "createdAt">,
  prefix = "we",
): WebhookEndpoint {
  const registered = { id: state.nextId(prefix), createdAt: state.clock.nowSeconds(), ...endpoint };
  state.webhooks.endpoints.set(registered.id, registered);
  return registered;
}

/** Removes an endpoint; no further attempt is made to reach it, and what was held for it is gone. */
export function unregisterEndpoint({ webhooks }: Simulation, id: string): boolean {
  webhooks.held = webhooks.held.filter(({ endpoint }) => endpoint.id !== id);
  return webhooks.endpoints.delete(id);
}

/** A signing secret as Stripe makes them. It is shown once. */
export function newSecret(): string {
  return `whsec_${randomBytes(24).toString("base64url").replaceAll(/[-_]/g, "0")}`;
}

/** What is wrong with the URL of an endpoint; live mode takes HTTPS only (docs.stripe.com/webhooks, certain). */
export function urlFault(text: string, livemode: boolean): string | undefined {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    return "Invalid URL: An explicit scheme (such as https) must be provided.";
  }
  if (livemode && new URL(text).protocol !== "https:")
    return "Invalid URL: URL must begin with https in live mode.";
  return undefined;
}
