import type { StripeRequest } from "../request/route.ts";
import type { Simulation } from "../state.ts";
import { asyncErrorCode } from "./async-error.ts";
import {
  findDefect,
  identifierKey,
  rememberedRecord,
  type Defect,
  type DefectKind,
  type ReceivedEvent,
} from "./find-defect.ts";
import { countUsage, rememberIdentifier } from "./ledger.ts";

type Taking = {
  request: Pick<StripeRequest, "requestId" | "idempotencyKey" | "livemode">;
  /** Two when a fault makes Stripe count the event twice. */
  times: number;
  /** The defects that this endpoint tells at once; all others appear in the asynchronous report. */
  toldAtOnce: ReadonlySet<DefectKind>;
};

/** Judges one event and counts it. Returns the defect that the endpoint has to tell, or undefined for accepted. */
export function takeEvent(state: Simulation, event: ReceivedEvent, taking: Taking): Defect | undefined {
  const defect = findDefect(state, event);
  if (defect === undefined) {
    countAccepted(state, event, taking);
    return undefined;
  }
  if (defect.kind === "duplicate") {
    state.totals.duplicates += 1;
    rememberedRecord(state, event)?.requestIds.push(taking.request.requestId);
  }
  if (taking.toldAtOnce.has(defect.kind)) return defect;
  reportLater(state, event, { defect, request: taking.request });
  return undefined;
}

function countAccepted(state: Simulation, event: ReceivedEvent, { request, times }: Taking): void {
  const meter = state.meterByEventName.get(event.eventName);
  if (meter === undefined) return;
  const nowMs = state.clock.nowMs();
  const record = rememberIdentifier(state.ledger, {
    key: identifierKey(state, event),
    identifier: event.identifier,
    meter,
    requestId: request.requestId,
    nowMs,
  });
  const customer = event.payload[meter.customerKey] ?? "";
  const value = event.payload[meter.valueKey] ?? "";
  for (let time = 0; time < times; time += 1) {
    countUsage(state.ledger, record, { meter, customer, value, timestamp: event.timestamp, nowMs });
  }
}

/**
 * Records what Stripe would report by a thin event. Duplicates have no asynchronous code, so they vanish silently
 * (certain by absence). The identifier is taken all the same: deduplication comes before validation (our guess).
 */
function reportLater(
  state: Simulation,
  event: ReceivedEvent,
  { defect, request }: Pick<Taking, "request"> & { defect: Defect },
): void {
  const code = asyncErrorCode(defect.kind);
  if (code === undefined) return;
  const { requestId, idempotencyKey, livemode } = request;
  const meter = state.meterByEventName.get(event.eventName);
  const nowMs = state.clock.nowMs();
  if (meter !== undefined) {
    const key = identifierKey(state, event);
    rememberIdentifier(state.ledger, { key, identifier: event.identifier, meter, requestId, nowMs });
  }
  state.asyncErrors.push({
    code,
    message: code === "no_meter" ? noMeterMatches(event.eventName) : defect.message,
    event_name: event.eventName,
    identifier: event.identifier,
    customer: event.payload[meter?.customerKey ?? ""] ?? null,
    api: event.intake,
    request_id: requestId,
    idempotency_key: idempotencyKey ?? null,
    livemode,
    received_at: new Date(nowMs).toISOString(),
  });
}

/** Stripe's sample of the asynchronous report, certain. */
function noMeterMatches(eventName: string): string {
  return `No meter was found matching event_name ${eventName}.`;
}
