import type { Fault, FaultSpec } from "../faults/fault.ts";
import { createRandom } from "../random.ts";
import type { KeyDecree, KeyStatus } from "../request/keys.ts";
import type { Settings } from "../settings.ts";
import type { Simulation } from "../state.ts";
import { namedCustomer } from "../v1/customer.ts";
import { catchUpAll } from "../v1/cycle-subscription.ts";
import { finalizeDue, scheduleFinalization } from "../v1/finalize-due.ts";
import type { ClockChange } from "./control-schemas.ts";

export type ClockView = { now: string; unix: number; frozen: boolean };

export type FaultView = FaultSpec & { id: string; fired: number };

/** Sets the simulator's time. Periods and drafts that end by then are ended. */
export function changeClock(state: Simulation, change: ClockChange): ClockView {
  const { clock } = state;
  if (change.now !== undefined) {
    clock.set(typeof change.now === "string" ? Date.parse(change.now) : change.now * 1000);
  }
  if (change.advance_seconds !== undefined) clock.advance(change.advance_seconds * 1000);
  if (change.frozen === true) clock.freeze();
  if (change.frozen === false) clock.run();
  catchUpAll(state);
  finalizeDue(state);
  scheduleFinalization(state);
  return { now: new Date(clock.nowMs()).toISOString(), unix: clock.nowSeconds(), frozen: clock.isFrozen() };
}

type KeyChange = { key: string; status: KeyStatus; permissions?: KeyDecree["permissions"] | undefined };

/** Revokes a key (401 from now on), forbids it everything or the named resources (403), or makes it good again. */
export function changeKey(state: Simulation, { key, status, permissions = {} }: KeyChange): void {
  state.keys.set(key, { status, permissions });
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

/** Makes customers with ids of the caller's choice, which Stripe itself would not allow. No event tells of them. */
export function addCustomers(state: Simulation, ids: readonly string[]): void {
  for (const id of ids) state.customers.set(id, namedCustomer(id, state.clock.nowSeconds()));
}

function faultView({ id, spec, fired }: Fault): FaultView {
  return { id, ...spec, fired };
}
