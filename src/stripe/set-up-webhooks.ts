import Stripe from "stripe";
import { describeStripeError } from "./describe-stripe-error.ts";
import { usedEventTypes, usedThinEventTypes } from "./used-event-types.ts";
import { eachOf } from "./each-of.ts";

/** What was done about one destination. Stripe tells the secret once, when it makes the destination. */
export type DestinationSetUp = { payload: "snapshot" | "thin" } & (
  | { action: "created"; id: string; secret: string }
  | { action: "unchanged"; id: string }
  | { action: "changed"; id: string; changes: string[] }
  /** It cannot be used and cannot be changed, or Stripe did not do as asked. */
  | { action: "refused"; id: string | null; reason: string }
);

/**
 * Makes sure that Stripe sends its events to this URL: the used snapshots to a webhook endpoint of our API version, and
 * the thin reports of refused usage to an event destination. Existing ones are enabled and get the types that they
 * lack. Safe to repeat. A refusal of one is reported beside the other's result, so that no secret is lost.
 */
export async function setUpWebhooks(stripe: Stripe, url: string): Promise<DestinationSetUp[]> {
  return [
    await unlessRefused("snapshot", () => setUpEndpoint(stripe, url)),
    await unlessRefused("thin", () => setUpDestination(stripe, url)),
  ];
}

async function unlessRefused(
  payload: "snapshot" | "thin",
  setUp: () => Promise<DestinationSetUp>,
): Promise<DestinationSetUp> {
  try {
    return await setUp();
  } catch (error) {
    const reason = describeStripeError(error);
    if (reason === undefined) throw error;
    return { payload, action: "refused", id: null, reason };
  }
}

async function setUpEndpoint(stripe: Stripe, url: string): Promise<DestinationSetUp> {
  const payload = "snapshot";
  const found: Stripe.WebhookEndpoint[] = [];
  for await (const endpoint of eachOf(stripe.webhookEndpoints.list({ limit: 100 }))) {
    if (isSameUrl(endpoint.url, url)) found.push(endpoint);
  }
  const endpoint = found.find(({ api_version: version }) => version === Stripe.API_VERSION) ?? found[0];
  if (endpoint === undefined) {
    const { id, secret } = await stripe.webhookEndpoints.create({
      url,
      enabled_events: usedEventTypes.filter(isEventType),
      api_version: Stripe.API_VERSION,
      description: "meter-outbox",
    });
    return { payload, action: "created", id, secret: shown(secret) };
  }
  const { id, api_version: version } = endpoint;
  if (version !== Stripe.API_VERSION) {
    const reason =
      `its API version is ${version ?? "the account's own"}, not ${Stripe.API_VERSION}, and Stripe lets nobody change ` +
      "that: delete it at Stripe, and run this again";
    return { payload, action: "refused", id, reason };
  }
  const missing = missingTypes(endpoint.enabled_events, usedEventTypes);
  const isDisabled = endpoint.status !== "enabled";
  if (missing.length === 0 && !isDisabled) return { payload, action: "unchanged", id };
  await stripe.webhookEndpoints.update(id, {
    ...(isDisabled && { disabled: false }),
    ...(missing.length > 0 && {
      enabled_events: [...endpoint.enabled_events, ...missing].filter(isEventType),
    }),
  });
  return { payload, action: "changed", id, changes: describeChanges({ isDisabled, missing }) };
}

async function setUpDestination(stripe: Stripe, url: string): Promise<DestinationSetUp> {
  const payload = "thin";
  const { eventDestinations } = stripe.v2.core;
  let found: Stripe.V2.Core.EventDestination | undefined;
  for await (const one of eachOf(eventDestinations.list({ include: ["webhook_endpoint.url"], limit: 100 }))) {
    const target = one.webhook_endpoint?.url;
    if (one.event_payload === payload && target !== undefined && isSameUrl(target, url)) found ??= one;
  }
  if (found === undefined) {
    const { id, webhook_endpoint: target } = await eventDestinations.create({
      name: "meter-outbox: refused usage",
      type: "webhook_endpoint",
      event_payload: payload,
      enabled_events: [...usedThinEventTypes],
      webhook_endpoint: { url },
      include: ["webhook_endpoint.signing_secret"],
    });
    return { payload, action: "created", id, secret: shown(target?.signing_secret) };
  }
  const { id } = found;
  const missing = missingTypes(found.enabled_events, usedThinEventTypes);
  const isDisabled = found.status !== "enabled";
  if (missing.length > 0) {
    await eventDestinations.update(id, { enabled_events: [...found.enabled_events, ...missing] });
  }
  if (isDisabled) await eventDestinations.enable(id);
  if (missing.length === 0 && !isDisabled) return { payload, action: "unchanged", id };
  return { payload, action: "changed", id, changes: describeChanges({ isDisabled, missing }) };
}

/** The parts of Stripe's objects that are read, and that are sent. */
function isEventType(type: string): type is Stripe.WebhookEndpointCreateParams.EnabledEvent {
  return type !== "";
}

function shown(secret: string | undefined): string {
  if (secret === undefined) throw new Error("Stripe made a destination and told no secret");
  return secret;
}

function missingTypes(enabled: readonly string[], used: readonly string[]): string[] {
  return enabled.includes("*") ? [] : used.filter((type) => !enabled.includes(type));
}

function describeChanges({ isDisabled, missing }: { isDisabled: boolean; missing: string[] }): string[] {
  return [
    ...(isDisabled ? ["it was disabled and is enabled again"] : []),
    ...(missing.length > 0 ? [`it lacked ${missing.join(", ")}`] : []),
  ];
}

function isSameUrl(one: string, other: string): boolean {
  return URL.canParse(one) && new URL(one).href === new URL(other).href;
}
