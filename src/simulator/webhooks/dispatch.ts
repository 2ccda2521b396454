import type { StoredEvent } from "../events/stored-event.ts";
import type { Simulation } from "../state.ts";
import { logAttempt } from "./delivery-log.ts";
import { wants } from "./endpoint.ts";
import { sendDelivery, setState, waitMs } from "./send.ts";
import { shuffled } from "./shuffled.ts";
import { keepTrack, type Delivery } from "./webhooks.ts";

/** Hands a new event to every endpoint that wants it: at once, later, in another order or never, as set. */
export function dispatchEvent(state: Simulation, stored: StoredEvent): void {
  const deliveries = deliveriesOf(state, stored);
  if (deliveries.length === 0) return;
  const { webhook_drop_next: dropNext, webhook_hold: isHeld, webhook_reorder_ms: windowMs } = state.settings;
  if (dropNext > 0) {
    state.settings = { ...state.settings, webhook_drop_next: dropNext - 1 };
    for (const delivery of deliveries) drop(state, delivery);
  } else if (isHeld) {
    for (const delivery of deliveries) setState(delivery, "held");
    state.webhooks.held.push(...deliveries);
  } else if (windowMs > 0) {
    gather(state, deliveries, windowMs);
  } else {
    for (const delivery of deliveries) launch(state, delivery);
  }
}

/** Sends a stored event once more to every endpoint that wants it, whatever is switched; says to how many. */
export function resendEvent(state: Simulation, stored: StoredEvent): number {
  const deliveries = deliveriesOf(state, stored);
  for (const delivery of deliveries) launch(state, delivery);
  return deliveries.length;
}

/** Sends deliveries one after the other: each leaves when the receiver has answered the one before. */
export async function sendInOrder(state: Simulation, deliveries: readonly Delivery[]): Promise<void> {
  for (const delivery of deliveries) await sendDelivery(state, delivery);
}

function deliveriesOf({ webhooks }: Simulation, stored: StoredEvent): Delivery[] {
  return [...webhooks.endpoints.values()]
    .filter((endpoint) => wants(endpoint, stored))
    .map((endpoint) => ({ endpoint, stored }));
}

function launch(state: Simulation, delivery: Delivery): void {
  setState(delivery, "pending");
  keepTrack(state.webhooks, sendDelivery(state, delivery));
}

function gather(state: Simulation, deliveries: readonly Delivery[], windowMs: number): void {
  const { webhooks } = state;
  for (const delivery of deliveries) setState(delivery, "pending");
  const isOpen = webhooks.gathered.length > 0;
  webhooks.gathered.push(...deliveries);
  if (!isOpen) keepTrack(webhooks, sendGathered(state, windowMs));
}

async function sendGathered(state: Simulation, windowMs: number): Promise<void> {
  await waitMs(state.webhooks, windowMs);
  await sendInOrder(state, shuffled(state.webhooks.gathered.splice(0), state.random));
}

function drop(state: Simulation, delivery: Delivery): void {
  setState(delivery, "dropped");
  const { stored, endpoint } = delivery;
  logAttempt(state.webhooks.log, {
    event_id: stored.event.id,
    type: stored.event.type,
    payload: stored.payload,
    endpoint_id: endpoint.id,
    url: endpoint.url,
    attempt: 0,
    copy: 1,
    outcome: "dropped",
    status: null,
    fault: null,
    at: new Date().toISOString(),
    duration_ms: 0,
  });
}
