import type { Defect } from "./defect.ts";
import type { Simulation } from "../state.ts";
import { findValueFault, isPositiveInteger, valueDigitsMax } from "./event-value.ts";
import type { EventRecord, Intake } from "./ledger.ts";
import { daySeconds, type Meter } from "./meter.ts";

const pastLimitDays = 35;
const futureLimitSeconds = 300;

/** A meter event as it came in, shape checked, rules not yet. `timestamp` is in unix seconds. */
export type ReceivedEvent = {
  intake: Intake;
  eventName: string;
  identifier: string;
  payload: Record<string, string>;
  timestamp: number;
};

/** The first rule that an event breaks, or undefined. Whether it is told at once is up to the endpoint. */
export function findDefect(state: Simulation, event: ReceivedEvent): Defect | undefined {
  const meter = state.meterByEventName.get(event.eventName);
  return (
    meterDefect(meter, event) ??
    (meter === undefined ? undefined : payloadDefect(state, meter, event)) ??
    duplicateDefect(state, event) ??
    timestampDefect(state, event) ??
    (meter === undefined ? undefined : customerDefect(state, meter, event))
  );
}

/**
 * The key under which an identifier is unique. Stripe's pages do not say whether per account or per meter, so it is a
 * setting.
 */
export function identifierKey(state: Simulation, event: ReceivedEvent): string {
  return state.settings.identifier_scope === "account"
    ? event.identifier
    : `${event.eventName} ${event.identifier}`;
}

/** The record of an identifier that Stripe has not forgotten yet. */
export function rememberedRecord(state: Simulation, event: ReceivedEvent): EventRecord | undefined {
  const record = state.ledger.records.get(identifierKey(state, event));
  if (record === undefined || record.isForgotten) return undefined;
  const ageMs = state.clock.nowMs() - record.acceptedAtMs;
  return ageMs < state.settings.identifier_window_seconds * 1000 ? record : undefined;
}

/** Reported by users: 400, the message contains `No active meter found`, no code; the rest of the wording differs. */
export function noActiveMeter(eventName: string): string {
  return `No active meter found for event name '${eventName}'.`;
}

function meterDefect(meter: Meter | undefined, event: ReceivedEvent): Defect | undefined {
  if (meter === undefined) return { kind: "no_meter", message: noActiveMeter(event.eventName) };
  if (meter.deactivatedAt === undefined) return undefined;
  return { kind: "archived_meter", message: noActiveMeter(event.eventName) };
}

function payloadDefect(state: Simulation, meter: Meter, event: ReceivedEvent): Defect | undefined {
  if ((event.payload[meter.customerKey] ?? "") === "") {
    // Wording as in Stripe's sample of the asynchronous report, certain; that of a synchronous v1 error is not known.
    const message = `Customer mapping key ${meter.customerKey} not found in payload.`;
    return { kind: "no_customer_defined", message };
  }
  const value = event.payload[meter.valueKey] ?? "";
  if (value === "")
    return { kind: "no_value_defined", message: `Value key ${meter.valueKey} not found in payload.` };
  const isPositiveOnly = event.intake === "v2" && state.settings.v2_values === "positive_integer";
  const fault = findValueFault(value);
  if (fault === "not_numeric" || (isPositiveOnly && !isPositiveInteger(value))) {
    return {
      kind: "invalid_value",
      message: `The value in the event payload is not valid. Received ${value}.`,
    };
  }
  if (fault === undefined) return undefined;
  // Changelog dahlia/2026-04-22, certain.
  const message = `The value in the event payload can have at most ${valueDigitsMax} digits. Received ${value}.`;
  return { kind: "too_many_digits", message };
}

/** Seen by several users of real Stripe; the only v1 message that may be relied on. */
function duplicateDefect(state: Simulation, event: ReceivedEvent): Defect | undefined {
  if (rememberedRecord(state, event) === undefined) return undefined;
  return { kind: "duplicate", message: `An event already exists with identifier ${event.identifier}.` };
}

function timestampDefect(state: Simulation, event: ReceivedEvent): Defect | undefined {
  const now = state.clock.nowSeconds();
  const oldest = now - pastLimitDays * daySeconds;
  if (event.timestamp < oldest) {
    // API reference for the limit, certain; two users' reports for the wording.
    const message =
      `The event timestamp cannot be more than ${pastLimitDays} days in past. ` +
      `Expected a timestamp greater than or equal to ${oldest}.`;
    return { kind: "too_old", message };
  }
  const newest = now + futureLimitSeconds;
  if (event.timestamp <= newest) return undefined;
  // The limit is certain, the wording is our guess.
  const message =
    `The event timestamp cannot be more than 5 minutes in future. ` +
    `Expected a timestamp less than or equal to ${newest}.`;
  return { kind: "in_future", message };
}

function customerDefect(state: Simulation, meter: Meter, event: ReceivedEvent): Defect | undefined {
  const customer = event.payload[meter.customerKey] ?? "";
  const known = state.customers.get(customer);
  if (known !== undefined && !known.isDeleted) return undefined;
  return { kind: "customer_not_found", message: `No such customer: '${customer}'` };
}
