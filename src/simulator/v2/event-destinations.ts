import { z } from "zod";
import { ok, type Answer } from "../request/answer.ts";
import { refuse } from "../request/errors.ts";
import { mapField, textField, type Form } from "../request/form.ts";
import type { Route, StripeRequest } from "../request/route.ts";
import type { Simulation } from "../state.ts";
import type { WebhookEndpoint } from "../webhooks/endpoint.ts";
import {
  endpointsMax,
  newSecret,
  registerEndpoint,
  unregisterEndpoint,
  urlFault,
} from "../webhooks/register-endpoint.ts";

const destinationsPath = "/v2/core/event_destinations";
const secretField = "webhook_endpoint.signing_secret";
const urlField = "webhook_endpoint.url";

/**
 * docs.stripe.com/api/v2/core/event-destinations, certain: URL and secret show only where `include` asks for them, the
 * secret at the creation alone. Here only those that lead to a webhook endpoint.
 */
export const eventDestinationRoutes: Route[] = [
  { method: "POST", path: destinationsPath, api: "v2", execute: createDestination },
  { method: "GET", path: destinationsPath, api: "v2", execute: listDestinations },
  { method: "GET", path: `${destinationsPath}/:id`, api: "v2", execute: withDestination(shown) },
  {
    method: "POST",
    path: `${destinationsPath}/:id`,
    api: "v2",
    execute: withDestination(updateDestination),
  },
  {
    method: "DELETE",
    path: `${destinationsPath}/:id`,
    api: "v2",
    execute: withDestination(deleteDestination),
  },
  { method: "POST", path: `${destinationsPath}/:id/enable`, api: "v2", execute: switched("enabled") },
  { method: "POST", path: `${destinationsPath}/:id/disable`, api: "v2", execute: switched("disabled") },
];

const types = z.array(z.string()).min(1);
const include = z.array(z.string()).default([]);
const endpoint = z.object({ url: z.string() });

const creationSchema = z.object({
  name: z.string().min(1),
  type: z.literal("webhook_endpoint"),
  event_payload: z.enum(["snapshot", "thin"]),
  enabled_events: types,
  webhook_endpoint: endpoint,
  snapshot_api_version: z.string().optional(),
  description: z.string().optional(),
  metadata: z.record(z.string(), z.string()).default({}),
  include,
});

const updateSchema = z.object({
  name: z.string().min(1).optional(),
  enabled_events: types.optional(),
  webhook_endpoint: endpoint.optional(),
  description: z.string().optional(),
  include,
});

function createDestination(state: Simulation, { json, livemode }: StripeRequest): Answer {
  const body = creationSchema.safeParse(json);
  if (!body.success) return invalid("The event destination is not well-formed.");
  const wanted = body.data;
  const fault =
    urlFault(wanted.webhook_endpoint.url, livemode) ??
    typesFault(wanted.event_payload, wanted.enabled_events);
  if (fault !== undefined) return invalid(fault);
  if (wanted.event_payload === "snapshot" && wanted.snapshot_api_version === undefined) {
    return invalid("snapshot_api_version is required for snapshot events.");
  }
  if (state.webhooks.endpoints.size >= endpointsMax) {
    return invalid(`You have reached the maximum of ${endpointsMax} event destinations.`);
  }
  const destination = registerEndpoint(
    state,
    {
      url: wanted.webhook_endpoint.url,
      secrets: [newSecret()],
      payload: wanted.event_payload,
      types: wanted.enabled_events,
      status: "enabled",
      api_version: wanted.snapshot_api_version ?? null,
      name: wanted.name,
      description: wanted.description ?? null,
      metadata: wanted.metadata,
    },
    "ed",
  );
  return ok(destinationObject(destination, { livemode, include: wanted.include }));
}

function listDestinations(state: Simulation, { form, livemode }: StripeRequest): Answer {
  const limit = Number(textField(form, "limit") ?? 20);
  if (!Number.isInteger(limit) || limit < 1 || limit > 100) return invalid("The limit must be 1 to 100.");
  const all = [...state.webhooks.endpoints.values()].filter(isDestination).toReversed();
  const start = Number(textField(form, "page") ?? 0);
  const data = all
    .slice(start, start + limit)
    .map((one) => destinationObject(one, { livemode, include: includeOf(form) }));
  const asked = includeOf(form).map((field, index) => `&include[${index}]=${field}`);
  const next = `${destinationsPath}?page=${start + limit}&limit=${limit}${asked.join("")}`;
  return ok({ data, next_page_url: all.length > start + limit ? next : null, previous_page_url: null });
}

type Situation = { state: Simulation; request: StripeRequest };

function withDestination(
  act: (destination: WebhookEndpoint, situation: Situation) => Answer,
): Route["execute"] {
  return (state, request) => {
    const destination = state.webhooks.endpoints.get(request.id);
    if (destination === undefined || !isDestination(destination)) {
      return refuse(404, { code: "not_found", message: `No such event destination: '${request.id}'` });
    }
    return act(destination, { state, request });
  };
}

function shown(destination: WebhookEndpoint, { request }: Situation): Answer {
  return ok(destinationObject(destination, { livemode: request.livemode, include: includeOf(request.form) }));
}

function updateDestination(destination: WebhookEndpoint, { request }: Situation): Answer {
  const body = updateSchema.safeParse(request.json ?? {});
  if (!body.success) return invalid("The event destination is not well-formed.");
  const { name, description, enabled_events: enabled, webhook_endpoint: target } = body.data;
  const fault =
    urlFault(target?.url ?? destination.url, request.livemode) ??
    typesFault(destination.payload === "snapshot" ? "snapshot" : "thin", enabled ?? []);
  if (fault !== undefined) return invalid(fault);
  Object.assign(destination, {
    name: name ?? destination.name,
    description: description ?? destination.description,
    url: target?.url ?? destination.url,
    ...(enabled === undefined ? {} : { types: enabled }),
  });
  return ok(destinationObject(destination, { livemode: request.livemode, include: body.data.include }));
}

function deleteDestination({ id }: WebhookEndpoint, { state }: Situation): Answer {
  unregisterEndpoint(state, id);
  return ok({ id, object: "v2.core.event_destination", deleted: true });
}

function switched(status: WebhookEndpoint["status"]): Route["execute"] {
  return withDestination((destination, { request }) => {
    destination.status = status;
    return ok(destinationObject(destination, { livemode: request.livemode, include: [] }));
  });
}

/** Thin types begin with their version (changelog endive/2026-09-30, certain); those of snapshots never do. */
function typesFault(payload: "snapshot" | "thin", enabled: readonly string[]): string | undefined {
  const form =
    payload === "thin" ? /^v[12]\.[a-z_]+(?:\.[a-z0-9_]+)+$/ : /^(?!v[12]\.)[a-z_]+(?:\.[a-z0-9_]+)+$/;
  const wrong = enabled.find((type) => type !== "*" && !form.test(type));
  return wrong === undefined ? undefined : `${wrong} is no event type for a payload of ${payload} events.`;
}

function isDestination({ payload, id }: WebhookEndpoint): boolean {
  return payload !== "snapshot" || id.startsWith("ed_");
}

function includeOf(form: Form): string[] {
  return Object.values(mapField(form, "include") ?? {}).filter((field) => typeof field === "string");
}

function invalid(message: string): Answer {
  return refuse(400, { code: "invalid_fields", message });
}

function destinationObject(
  destination: WebhookEndpoint,
  { livemode, include: asked }: { livemode: boolean; include: readonly string[] },
) {
  const created = new Date(destination.createdAt * 1000).toISOString();
  const thin = destination.payload !== "snapshot";
  const isDisabled = destination.status === "disabled";
  return {
    id: destination.id,
    object: "v2.core.event_destination",
    created,
    description: destination.description ?? "",
    enabled_events: destination.types ?? ["*"],
    event_payload: thin ? "thin" : "snapshot",
    events_from: ["@self"],
    livemode,
    metadata: destination.metadata,
    name: destination.name,
    ...(thin ? {} : { snapshot_api_version: destination.api_version }),
    status: destination.status,
    ...(isDisabled ? { status_details: { disabled: { reason: "user" } } } : {}),
    type: "webhook_endpoint",
    updated: created,
    webhook_endpoint: {
      ...(asked.includes(secretField) ? { signing_secret: destination.secrets[0] } : {}),
      ...(asked.includes(urlField) ? { url: destination.url } : {}),
    },
  };
}
