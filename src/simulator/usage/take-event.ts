import type { StripeRequest } from "../request/route.ts";
import type { Simulation } from "../state.ts";
import { asyncErrorCode, foundInvalid, noteAsyncError } from "./async-error.ts";
import { findDefect, identifierKey, rememberedRecord, type ReceivedEvent } from "./find-defect.ts";
import type { Defect } from "./defect.ts";
import type { DefectKind } from "./defect.ts";
import { countUsage, rememberIdentifier, type EventRecord, type Origin } from "./ledger.ts";
import type { Meter } from "./meter.ts";

type Taking = {
  request: Pick<StripeRequest, "requestId" | "idempotencyKey" | "livemode" | "countTimes" | "refusedLater">;
  /** The defects that this endpoint tells at once; all others appear in the asynchronous report. */
  toldAtOnce: ReadonlySet<DefectKind>;
};

/** Judges one event and counts it. Returns the defect that the endpoint has to tell, or undefined for accepted. */
export function takeEvent(state: Simulation, event: ReceivedEvent, taking: Taking): Defect | undefined {
  const { request } = taking;
  const defect = findDefect(state, event);
  if (defect === undefined) {
    takeSound(state, event, request);
    return undefined;
  }
  if (defect.kind === "duplicate") {
    state.totals.duplicates += 1;
    rememberedRecord(state, event)?.requestIds.push(request.requestId);
  }
  if (taking.toldAtOnce.has(defect.kind)) return defect;
  const code = asyncErrorCode(defect.kind);
  // Duplicates have no asynchronous code, so they vanish silently (certain by absence).
  if (code !== undefined) reportLater(state, event, { code, message: defect.message, request });
  return undefined;
}

/** Counts an event without a defect, unless a fault makes Stripe find one afterwards. */
function takeSound(state: Simulation, event: ReceivedEvent, request: Taking["request"]): void {
  const meter = state.meterByEventName.get(event.eventName);
  if (meter === undefined) return;
  const customer = event.payload[meter.customerKey] ?? "";
  const { refusedLater, countTimes } = request;
  if (
    refusedLater !== undefined &&
    (refusedLater.customer ?? customer) === customer &&
    (refusedLater.meter ?? event.eventName) === event.eventName
  ) {
    const { code } = refusedLater;
    reportLater(state, event, { code, message: foundInvalid, request });
    return;
  }
  const record = remember(state, event, { meter, request });
  const value = event.payload[meter.valueKey] ?? "";
  const nowMs = state.clock.nowMs();
  for (let time = 0; time < countTimes; time += 1) {
    countUsage(state.ledger, record, { meter, customer, value, timestamp: event.timestamp, nowMs });
  }
}

type Found = Pick<Taking, "request"> & { code: string; message: string };

/**
 * Records an error that Stripe would report by a thin event. The identifier is used all the same: deduplication comes
 * before validation (our guess).
 */
function reportLater(state: Simulation, event: ReceivedEvent, { code, message, request }: Found): void {
  const meter = state.meterByEventName.get(event.eventName);
  if (meter !== undefined) remember(state, event, { meter, request });
  noteAsyncError(state.asyncErrors, originOf(event, request), {
    code,
    message: code === "no_meter" ? noMeterMatches(event.eventName) : message,
    eventName: event.eventName,
    identifier: event.identifier,
    customer: event.payload[meter?.customerKey ?? ""] ?? null,
    receivedAtMs: state.clock.nowMs(),
  });
}

function originOf(event: ReceivedEvent, { requestId, idempotencyKey, livemode }: Taking["request"]): Origin {
  return { api: event.intake, requestId, idempotencyKey, livemode };
}

type Sender = Pick<Taking, "request"> & { meter: Meter };

function remember(state: Simulation, event: ReceivedEvent, { meter, request }: Sender): EventRecord {
  return rememberIdentifier(state.ledger, {
    key: identifierKey(state, event),
    identifier: event.identifier,
    meter,
    origin: originOf(event, request),
    nowMs: state.clock.nowMs(),
  });
}

/** Stripe's sample of the asynchronous report, certain. */
function noMeterMatches(eventName: string): string {
  return `No meter was found matching event_name ${eventName}.`;
}
