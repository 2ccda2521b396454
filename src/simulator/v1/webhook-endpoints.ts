import { ok, type Answer } from "../request/answer.ts";
import { invalidParameter, missingParameter, refuse, resourceMissing } from "../request/errors.ts";
import { booleanField, mapField, textField, type Form } from "../request/form.ts";
import { listPage } from "../request/list.ts";
import { readMetadata } from "../request/metadata.ts";
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

const endpointsPath = "/v1/webhook_endpoints";

/**
 * docs.stripe.com/api/webhook_endpoints, certain: the secret is shown at the creation alone, and the version never
 * changes. Endpoints for thin events are event destinations at Stripe and do not show here.
 */
export const webhookEndpointRoutes: Route[] = [
  { method: "POST", path: endpointsPath, api: "v1", execute: createEndpoint },
  { method: "GET", path: endpointsPath, api: "v1", execute: listEndpoints },
  { method: "GET", path: `${endpointsPath}/:id`, api: "v1", execute: retrieveEndpoint },
  { method: "POST", path: `${endpointsPath}/:id`, api: "v1", execute: updateEndpoint },
  { method: "DELETE", path: `${endpointsPath}/:id`, api: "v1", execute: deleteEndpoint },
];

const versionForm = /^20\d\d-\d\d-\d\d(?:\.[a-z]+)?$/;

function createEndpoint(state: Simulation, request: StripeRequest): Answer {
  const { form, livemode } = request;
  const url = textField(form, "url");
  if (url === undefined) return missingParameter("url");
  const types = readTypes(form);
  if (types === undefined) return missingParameter("enabled_events");
  const apiVersion = textField(form, "api_version") ?? null;
  const refusal = refusalOf({ url, types, livemode });
  if (refusal !== undefined) return refusal;
  if (apiVersion !== null && !versionForm.test(apiVersion)) {
    return invalidParameter(`Invalid Stripe API version: ${apiVersion}`, "api_version");
  }
  if (state.webhooks.endpoints.size >= endpointsMax) {
    return invalidParameter(`You have reached the maximum of ${endpointsMax} webhook endpoints.`);
  }
  const secret = newSecret();
  const endpoint = registerEndpoint(state, {
    url,
    secrets: [secret],
    payload: "snapshot",
    types,
    status: "enabled",
    api_version: apiVersion,
    name: "",
    description: textField(form, "description") ?? null,
    metadata: readMetadata(form, {}),
  });
  return ok({ ...endpointObject(endpoint, livemode), secret });
}

function listEndpoints(state: Simulation, { form, livemode }: StripeRequest): Answer {
  const listed = [...state.webhooks.endpoints.values()].filter(({ payload }) => payload !== "thin");
  const objects = listed.toReversed().map((endpoint) => endpointObject(endpoint, livemode));
  return listPage(objects, form, endpointsPath);
}

function retrieveEndpoint(state: Simulation, { id, livemode }: StripeRequest): Answer {
  const endpoint = findEndpoint(state, id);
  return endpoint === undefined ? missing(id) : ok(endpointObject(endpoint, livemode));
}

function updateEndpoint(state: Simulation, { id, form, livemode }: StripeRequest): Answer {
  const endpoint = findEndpoint(state, id);
  if (endpoint === undefined) return missing(id);
  if ("api_version" in form)
    return invalidParameter("Received unknown parameter: api_version", "api_version");
  const url = textField(form, "url") ?? endpoint.url;
  const types = readTypes(form) ?? endpoint.types;
  const refusal = refusalOf({ url, types: types ?? [], livemode });
  if (refusal !== undefined) return refusal;
  const disabled = booleanField(form, "disabled");
  Object.assign(endpoint, {
    url,
    ...(types === undefined ? {} : { types }),
    ...(disabled === undefined ? {} : { status: disabled ? "disabled" : "enabled" }),
    description: textField(form, "description") ?? endpoint.description,
    metadata: readMetadata(form, endpoint.metadata),
  });
  return ok(endpointObject(endpoint, livemode));
}

function deleteEndpoint(state: Simulation, { id }: StripeRequest): Answer {
  if (findEndpoint(state, id) === undefined) return missing(id);
  unregisterEndpoint(state, id);
  return ok({ id, object: "webhook_endpoint", deleted: true });
}

type Wanted = { url: string; types: readonly string[]; livemode: boolean };

function refusalOf({ url, types, livemode }: Wanted): Answer | undefined {
  const fault = urlFault(url, livemode);
  if (fault !== undefined) {
    return refuse(400, { type: "invalid_request_error", code: "url_invalid", message: fault, param: "url" });
  }
  // Groups such as `customer.*` are no words of this list, and thin types belong to event destinations.
  const wrong = types.findIndex(
    (type) => type !== "*" && !/^(?!v[12]\.)[a-z_]+(?:\.[a-z0-9_]+)+$/.test(type),
  );
  if (wrong === -1) return undefined;
  return invalidParameter(`Invalid enabled_events[${wrong}]: ${types[wrong]}`, `enabled_events[${wrong}]`);
}

function readTypes(form: Form): string[] | undefined {
  const list = mapField(form, "enabled_events");
  const types = Object.values(list ?? {}).filter((type): type is string => typeof type === "string");
  return types.length === 0 ? undefined : types;
}

function findEndpoint({ webhooks }: Simulation, id: string): WebhookEndpoint | undefined {
  const endpoint = webhooks.endpoints.get(id);
  return endpoint?.payload === "thin" ? undefined : endpoint;
}

function missing(id: string): Answer {
  return resourceMissing("webhook endpoint", id);
}

function endpointObject(endpoint: WebhookEndpoint, livemode: boolean) {
  return {
    id: endpoint.id,
    object: "webhook_endpoint",
    api_version: endpoint.api_version,
    application: null,
    created: endpoint.createdAt,
    description: endpoint.description,
    enabled_events: endpoint.types ?? ["*"],
    livemode,
    metadata: endpoint.metadata,
    status: endpoint.status,
    url: endpoint.url,
  };
}
