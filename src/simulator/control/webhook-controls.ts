import { z } from "zod";
import { findEvent } from "../events/kept-events.ts";
import type { Simulation } from "../state.ts";
import { recentAttempts, type DeliveryAttempt } from "../webhooks/delivery-log.ts";
import { registerEndpoint, unregisterEndpoint } from "../webhooks/register-endpoint.ts";
import { resendEvent } from "../webhooks/dispatch.ts";
import {
  endpointInputSchema,
  type EndpointInput,
  type EndpointPatch,
  type WebhookEndpoint,
} from "../webhooks/endpoint.ts";

/** Registers an endpoint: it gets the events from now on. */
export function addEndpoint(state: Simulation, input: EndpointInput): WebhookEndpoint {
  return registerEndpoint(state, endpointInputSchema.parse(input));
}

/** Changes an endpoint; attempts that are due later already go by the change. */
export function changeEndpoint(
  state: Simulation,
  id: string,
  patch: EndpointPatch,
): WebhookEndpoint | undefined {
  const endpoint = state.webhooks.endpoints.get(id);
  if (endpoint === undefined) return undefined;
  return Object.assign(endpoint, patch);
}

/** Removes an endpoint. Says how many went. */
export function removeEndpoint(state: Simulation, id: string): number {
  return unregisterEndpoint(state, id) ? 1 : 0;
}

export const deliveryFilterSchema = z.strictObject({
  event_id: z.string().optional(),
  type: z.string().optional(),
  endpoint_id: z.string().optional(),
  outcome: z.enum(["delivered", "refused", "unreachable", "dropped"]).optional(),
});

export type DeliveryFilter = z.infer<typeof deliveryFilterSchema>;

/** Every attempt that was made, oldest first. */
export function listDeliveries({ webhooks }: Simulation, filter: DeliveryFilter = {}): DeliveryAttempt[] {
  return recentAttempts(webhooks.log).filter(
    (attempt) =>
      attempt.event_id === (filter.event_id ?? attempt.event_id) &&
      attempt.type === (filter.type ?? attempt.type) &&
      attempt.endpoint_id === (filter.endpoint_id ?? attempt.endpoint_id) &&
      attempt.outcome === (filter.outcome ?? attempt.outcome),
  );
}

export const errorReportSchema = z.strictObject({
  /** The most samples per type of error; all when absent. */
  samples_max: z.int().nonnegative().optional(),
});

/** Delivers a stored event once more, as an operator would; undefined when it is not there or forgotten. */
export function resend(state: Simulation, eventId: string): { deliveries: number } | undefined {
  const stored = findEvent(state, eventId);
  return stored === undefined ? undefined : { deliveries: resendEvent(state, stored) };
}
