import type { Simulation } from "../state.ts";
import { eventLifetimeSeconds, type StoredEvent } from "./stored-event.ts";

/** The events of one kind that are not forgotten yet, oldest first. */
export function keptEvents<P extends StoredEvent["payload"]>(state: Simulation, payload: P) {
  return [...state.events.values()]
    .filter((stored): stored is Extract<StoredEvent, { payload: P }> => stored.payload === payload)
    .filter((stored) => isKept(state, stored));
}

/** An event that is not forgotten yet, by its id. */
export function findEvent(state: Simulation, id: string): StoredEvent | undefined {
  const stored = state.events.get(id);
  return stored !== undefined && isKept(state, stored) ? stored : undefined;
}

/** Drops the events that have become too old. */
export function forgetOldEvents(state: Simulation): void {
  for (const [id, stored] of state.events) {
    if (isKept(state, stored)) return;
    state.events.delete(id);
  }
}

function isKept(state: Simulation, { createdAt }: StoredEvent): boolean {
  return state.clock.nowSeconds() - createdAt <= eventLifetimeSeconds;
}
