import type { StoredEvent } from "../events/stored-event.ts";
import { createDeliveryLog, type DeliveryLog } from "./delivery-log.ts";
import type { WebhookEndpoint } from "./endpoint.ts";

/** One event on its way to one endpoint. */
export type Delivery = { endpoint: WebhookEndpoint; stored: StoredEvent };

/** The endpoints and all deliveries to them that are under way. */
export type Webhooks = {
  endpoints: Map<string, WebhookEndpoint>;
  /** Waiting for a release, in the order of their events. */
  held: Delivery[];
  /** Waiting for the window of `webhook_reorder_ms` to end. */
  gathered: Delivery[];
  /** Deliveries, waits for the next attempt and open windows; none of them ever rejects. */
  underWay: Set<Promise<void>>;
  log: DeliveryLog;
  stopping: AbortController;
};

/** Creates webhooks without an endpoint. */
export function createWebhooks(): Webhooks {
  return {
    endpoints: new Map(),
    held: [],
    gathered: [],
    underWay: new Set(),
    log: createDeliveryLog(),
    stopping: new AbortController(),
  };
}

/** Keeps track of background work, so that it can be waited for after all. */
export function keepTrack({ underWay }: Webhooks, work: Promise<void>): void {
  const tracked = work.finally(() => underWay.delete(tracked));
  underWay.add(tracked);
}

/** Resolves when nothing is under way and no further attempt is due; held deliveries are not waited for. */
export async function settled({ underWay }: Webhooks): Promise<void> {
  while (underWay.size > 0) await Promise.all(underWay);
}

/** Ends every wait and cuts every open request; resolves when the last one has ended. */
export async function stopWebhooks(webhooks: Webhooks): Promise<void> {
  webhooks.stopping.abort();
  await settled(webhooks);
}
