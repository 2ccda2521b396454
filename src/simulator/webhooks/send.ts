import { setTimeout } from "node:timers/promises";
import type { DeliveryState } from "../events/stored-event.ts";
import type { Simulation } from "../state.ts";
import { attemptDelivery } from "./attempt.ts";
import { keepTrack, type Delivery, type Webhooks } from "./webhooks.ts";

/**
 * Sends an event to an endpoint as often as `webhook_copies` says. Resolves after the first attempt of each copy; a
 * copy that was not taken is tried again in the background.
 */
export async function sendDelivery(state: Simulation, delivery: Delivery): Promise<void> {
  const { webhook_copies: copies, webhook_copies_concurrent: isConcurrent } = state.settings;
  setState(delivery, "pending");
  const numbers = Array.from({ length: copies }, (_, index) => index + 1);
  if (isConcurrent) {
    await Promise.all(numbers.map((copy) => sendCopy(state, delivery, copy)));
    return;
  }
  for (const copy of numbers) await sendCopy(state, delivery, copy);
}

/** Notes the state of a delivery. A delivered event stays delivered, whatever happens to a further copy. */
export function setState({ stored, endpoint }: Delivery, now: DeliveryState): void {
  if (stored.deliveries.get(endpoint.id) !== "delivered") stored.deliveries.set(endpoint.id, now);
}

async function sendCopy(state: Simulation, delivery: Delivery, copy: number): Promise<void> {
  if (isOver(state.webhooks, delivery)) return;
  if (await attemptDelivery(state, delivery, { attempt: 1, copy })) setState(delivery, "delivered");
  else keepTrack(state.webhooks, tryAgain(state, delivery, copy));
}

/** Live mode retries for 3 days with growing waits, a sandbox 3 times (certain); here the waits are settings. */
async function tryAgain(state: Simulation, delivery: Delivery, copy: number): Promise<void> {
  for (let attempt = 2; attempt <= state.settings.webhook_attempts_max; attempt += 1) {
    await waitMs(state.webhooks, state.settings.webhook_retry_ms * 2 ** (attempt - 2));
    if (isOver(state.webhooks, delivery)) return;
    if (await attemptDelivery(state, delivery, { attempt, copy })) {
      setState(delivery, "delivered");
      return;
    }
  }
  setState(delivery, "failed");
}

/** Waits in real time, or until the webhooks are stopped. */
export async function waitMs({ stopping }: Webhooks, ms: number): Promise<void> {
  try {
    await setTimeout(ms, undefined, { signal: stopping.signal, ref: false });
  } catch (error) {
    if (!stopping.signal.aborted) throw error;
  }
}

function isOver({ stopping, endpoints }: Webhooks, { endpoint }: Delivery): boolean {
  return stopping.signal.aborted || !endpoints.has(endpoint.id);
}
