import type { Fault, FaultSpec } from "../faults/fault.ts";
import { createRandom } from "../random.ts";
import type { KeyStatus } from "../request/keys.ts";
import type { Settings } from "../settings.ts";
import type { Simulation } from "../state.ts";
import { namedCustomer } from "../v1/customer.ts";
import { subscriptionObject } from "../v1/subscription-object.ts";
import { findSubscription } from "../v1/subscriptions.ts";
import type { ClockChange, SubscriptionChange } from "./control-schemas.ts";

export type ClockView = { now: string; unix: number; frozen: boolean };

export type FaultView = FaultSpec & { id: string; fired: number };

/** Tells the simulator what time it is. */
export function changeClock({ clock }: Simulation, change: ClockChange): ClockView {
  if (change.now !== undefined) {
    clock.set(typeof change.now === "string" ? Date.parse(change.now) : change.now * 1000);
  }
  if (change.advance_seconds !== undefined) clock.advance(change.advance_seconds * 1000);
  if (change.frozen === true) clock.freeze();
  if (change.frozen === false) clock.run();
  return { now: new Date(clock.nowMs()).toISOString(), unix: clock.nowSeconds(), frozen: clock.isFrozen() };
}

/** Revokes a key (401 from now on), forbids it everything (403), or makes it good again. */
export function changeKey(state: Simulation, { key, status }: { key: string; status: KeyStatus }): void {
  state.keys.set(key, status);
}

/** Changes the settings that are named and leaves the others. */
export function changeSettings(
  state: Simulation,
  patch: { [Name in keyof Settings]?: Settings[Name] | undefined },
): Settings {
  const named = Object.entries(patch).filter(([, value]) => value !== undefined);
  state.settings = { ...state.settings, ...Object.fromEntries(named) };
  return state.settings;
}

/** Adds rules behind those in force; of several that match a request, the first one strikes. */
export function addFaults(state: Simulation, specs: readonly FaultSpec[]): FaultView[] {
  const added = specs.map((spec): Fault => ({ id: state.nextId("flt"), spec, fired: 0 }));
  state.faults.push(...added);
  return added.map(faultView);
}

/** The rules in force and how often each has struck. */
export function listFaults(state: Simulation): FaultView[] {
  return state.faults.map(faultView);
}

/** Removes one rule, or all; returns how many went. */
export function removeFaults(state: Simulation, id?: string): number {
  const before = state.faults.length;
  state.faults = id === undefined ? [] : state.faults.filter((fault) => fault.id !== id);
  return before - state.faults.length;
}

/** Starts the random numbers behind `rate` and latency anew. */
export function reseed(state: Simulation, seed: number): void {
  state.random = createRandom(seed);
}

/** Makes customers with ids of the caller's choice, which Stripe itself would not allow. */
export function addCustomers(state: Simulation, ids: readonly string[]): void {
  for (const id of ids) state.customers.set(id, namedCustomer(id, state.clock.nowSeconds()));
}

/** Puts a subscription into a state that Stripe's API gives no direct way to; undefined when there is none. */
export function changeSubscription(state: Simulation, id: string, change: SubscriptionChange) {
  const subscription = findSubscription(state, id);
  if (subscription === undefined) return undefined;
  subscription.status = change.status ?? subscription.status;
  subscription.periodStart = change.current_period_start ?? subscription.periodStart;
  subscription.periodEnd = change.current_period_end ?? subscription.periodEnd;
  subscription.isPeriodPinned ||=
    change.current_period_start !== undefined || change.current_period_end !== undefined;
  return subscriptionObject(subscription);
}

function faultView({ id, spec, fired }: Fault): FaultView {
  return { id, ...spec, fired };
}
