import type { Answer } from "../request/answer.ts";
import { listPage } from "../request/list.ts";
import type { Route, StripeRequest } from "../request/route.ts";
import type { Simulation } from "../state.ts";
import type { WebhookEndpoint } from "../webhooks/endpoint.ts";

const ENDPOINTS_PATH = "/v1/webhook_endpoints";

/**
 * docs.stripe.com/api/webhook_endpoints/list, certain; reduced to what tells whether an endpoint is there. Those for
 * thin events alone are event destinations at Stripe and are not listed here.
 */
export const listWebhookEndpointsRoute: Route = {
  method: "GET",
  path: ENDPOINTS_PATH,
  api: "v1",
  execute: listWebhookEndpoints,
};

function listWebhookEndpoints(state: Simulation, { form, livemode }: StripeRequest): Answer {
  const listed = [...state.webhooks.endpoints.values()].filter(({ payload }) => payload !== "thin");
  const objects = listed.toReversed().map((endpoint) => endpointObject(endpoint, livemode));
  return listPage(objects, form, ENDPOINTS_PATH);
}

function endpointObject({ id, url, types }: WebhookEndpoint, livemode: boolean) {
  const enabled_events = types ?? ["*"];
  return { id, object: "webhook_endpoint", url, status: "enabled", enabled_events, livemode };
}
