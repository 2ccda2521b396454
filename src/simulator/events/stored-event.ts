import { daySeconds } from "../usage/meter.ts";

/** docs.stripe.com/api/events, certain: events are kept 30 days. */
export const eventLifetimeSeconds = 30 * daySeconds;

/** A snapshot event: it carries the object as it was when the event happened. */
export type SnapshotEvent = {
  id: string;
  object: "event";
  api_version: string;
  created: number;
  data: { object: object; previous_attributes?: object };
  livemode: boolean;
  request: { id: string | null; idempotency_key: string | null };
  type: string;
};

/** A thin event: what is delivered has no `data`, which has to be fetched (API v2, certain). */
export type ThinEvent = {
  id: string;
  object: "v2.core.event";
  created: string;
  data?: object;
  livemode: boolean;
  reason: object | null;
  related_object: RelatedObject | null;
  snapshot_event?: string;
  type: string;
};

export type RelatedObject = { id: string; type: string; url: string };

/** How the delivery of one event to one endpoint stands; only `delivered` counts as a success. */
export type DeliveryState = "pending" | "held" | "dropped" | "delivered" | "failed";

/** An event as the account keeps it, with its deliveries by endpoint. */
export type StoredEvent = { createdAt: number; deliveries: Map<string, DeliveryState> } & (
  | { payload: "snapshot"; event: SnapshotEvent }
  | { payload: "thin"; event: ThinEvent }
);

/** Whether every endpoint that wanted the event has it (what `delivery_success` asks for). */
export function isDelivered({ deliveries }: StoredEvent): boolean {
  return pendingWebhooks(deliveries) === 0;
}

/** The event as `GET /v1/events/:id` or `GET /v2/core/events/:id` shows it. */
export function eventObject(stored: StoredEvent): { id: string } & Record<string, unknown> {
  return stored.payload === "snapshot"
    ? { ...stored.event, pending_webhooks: pendingWebhooks(stored.deliveries) }
    : { context: null, ...stored.event };
}

/** The event as it is delivered. A snapshot says the endpoint's version, though its data is always rendered in the latest. */
export function eventBody(stored: StoredEvent, apiVersion: string | null): string {
  if (stored.payload === "snapshot") {
    return JSON.stringify({
      ...eventObject(stored),
      ...(apiVersion === null ? {} : { api_version: apiVersion }),
    });
  }
  const { data: _, ...notification } = stored.event;
  return JSON.stringify({ context: null, ...notification });
}

function pendingWebhooks(deliveries: ReadonlyMap<string, DeliveryState>): number {
  let pending = 0;
  for (const state of deliveries.values()) if (state !== "delivered") pending += 1;
  return pending;
}
