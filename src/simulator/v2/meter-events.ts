import { ok, type Answer } from "../request/answer.ts";
import { refuse } from "../request/errors.ts";
import type { Route, StripeRequest } from "../request/route.ts";
import type { Touched } from "../request/touched.ts";
import type { Simulation } from "../state.ts";
import type { Defect } from "../usage/defect.ts";
import type { DefectKind } from "../usage/defect.ts";
import { takeEvent } from "../usage/take-event.ts";
import { receivedEvent, touchedByV2Event, v2EventSchema } from "./read-event.ts";

/**
 * The synchronous codes of v2 (OpenAPI and API reference, certain). Timestamps and unknown customers are not among
 * them, so they are told later.
 */
const codes: ReadonlyMap<DefectKind, string> = new Map([
  ["no_meter", "no_meter"],
  ["archived_meter", "archived_meter"],
  ["duplicate", "duplicate_meter_event"],
  ["invalid_value", "payload_invalid_value"],
  ["too_many_digits", "payload_invalid_value"],
  ["no_customer_defined", "payload_no_customer_defined"],
  ["no_value_defined", "payload_no_value_defined"],
]);

const toldAtOnceCodes = new Set(codes.keys());

/** docs.stripe.com/api/v2/billing/meter-event/create, certain. */
export const createV2MeterEventRoute: Route = {
  method: "POST",
  path: "/v2/billing/meter_events",
  api: "v2",
  execute: createMeterEvent,
  touches: touchedByBody,
  takesEvents: true,
  isSerialized: true,
};

function createMeterEvent(state: Simulation, request: StripeRequest): Answer {
  const body = v2EventSchema.safeParse(request.json);
  if (!body.success)
    return refuse(400, { code: "invalid_fields", message: "The meter event is not well-formed." });
  const event = receivedEvent(state, body.data, "v2");
  const defect = takeEvent(state, event, { request, toldAtOnce: toldAtOnceCodes });
  if (defect !== undefined) return refuseDefect(defect);
  return ok({
    object: "v2.billing.meter_event",
    created: new Date(state.clock.nowMs()).toISOString(),
    event_name: event.eventName,
    identifier: event.identifier,
    livemode: request.livemode,
    payload: event.payload,
    timestamp: new Date(event.timestamp * 1000).toISOString(),
  });
}

function touchedByBody(state: Simulation, { json }: StripeRequest): Touched[] {
  const body = v2EventSchema.safeParse(json);
  return body.success ? [touchedByV2Event(state, body.data)] : [];
}

function refuseDefect({ kind, message }: Defect): Answer {
  const code = codes.get(kind);
  // v2 errors often have no type (seen with the SDK), and this simulator never gives them one.
  return refuse(400, { message, ...(code === undefined ? {} : { code }) }, { executed: true });
}
