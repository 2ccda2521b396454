import { randomUUID } from "node:crypto";
import { eventsPerShipment } from "../queue/queues.ts";
import type { SealedEvent } from "./sealed-event.ts";

/** With the shipment that it goes with; null where its event gets a reminder of its own. */
export type Loaded<T> = T & Pick<SealedEvent, "shipmentId">;

/**
 * Divides slices of different organizations into shipments of at least `eventsMin`. Events with about as many of their
 * organization's ahead of them go together, so that organizations take turns. Those that are left over get reminders of
 * their own.
 */
export function loadShipments<T extends Pick<SealedEvent, "ahead" | "isBilledElsewhere">>(
  slices: readonly T[],
  eventsMin: number,
): Loaded<T>[] {
  const inTurn = slices
    .filter(({ isBilledElsewhere }) => !isBilledElsewhere)
    .toSorted((one, other) => one.ahead - other.ahead);
  const shipments = new Map<T, string>();
  for (let from = 0; inTurn.length - from >= eventsMin; from += eventsPerShipment) {
    const shipmentId = randomUUID();
    for (const slice of inTurn.slice(from, from + eventsPerShipment)) shipments.set(slice, shipmentId);
  }
  return slices.map((slice) => ({ ...slice, shipmentId: shipments.get(slice) ?? null }));
}
