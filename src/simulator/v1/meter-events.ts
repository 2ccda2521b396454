import { randomUUID } from "node:crypto";
import { ok, type Answer } from "../request/answer.ts";
import { invalidParameter, missingParameter, refuse } from "../request/errors.ts";
import { mapField, textField, type Form } from "../request/form.ts";
import type { Route, StripeRequest } from "../request/route.ts";
import type { Touched } from "../request/touched.ts";
import type { Simulation } from "../state.ts";
import type { ReceivedEvent } from "../usage/find-defect.ts";
import type { Defect } from "../usage/defect.ts";
import type { DefectKind } from "../usage/defect.ts";
import { customerKeyDefault, valueKeyDefault } from "../usage/meter.ts";
import { takeEvent } from "../usage/take-event.ts";

/** docs.stripe.com/api/billing/meter-event/object, certain. */
const textMaxLength = 100;

/** Everything but an unknown customer is told at once; that v1 tells a customer later is likely, not certain. */
const toldAtOnceCodes: ReadonlySet<DefectKind> = new Set([
  "no_meter",
  "archived_meter",
  "no_customer_defined",
  "no_value_defined",
  "invalid_value",
  "too_many_digits",
  "duplicate",
  "too_old",
  "in_future",
]);

/** docs.stripe.com/api/billing/meter-event/create, certain. */
export const createMeterEventRoute: Route = {
  method: "POST",
  path: "/v1/billing/meter_events",
  api: "v1",
  execute: createMeterEvent,
  touches: touchedByMeterEvent,
  takesEvents: true,
  isSerialized: true,
};

function createMeterEvent(state: Simulation, request: StripeRequest): Answer {
  const reading = readMeterEvent(request.form, state.clock.nowSeconds());
  if ("answer" in reading) return reading.answer;
  const { event } = reading;
  const defect = takeEvent(state, event, { request, toldAtOnce: toldAtOnceCodes });
  if (defect !== undefined) return refuseDefect(defect);
  return ok({
    object: "billing.meter_event",
    created: state.clock.nowSeconds(),
    event_name: event.eventName,
    identifier: event.identifier,
    livemode: request.livemode,
    payload: event.payload,
    timestamp: event.timestamp,
  });
}

function touchedByMeterEvent(state: Simulation, { form }: StripeRequest): Touched[] {
  const eventName = textField(form, "event_name") ?? "";
  const payload = mapField(form, "payload") ?? {};
  const meter = state.meterByEventName.get(eventName);
  const identifier = textField(form, "identifier");
  const value = textField(payload, meter?.valueKey ?? valueKeyDefault);
  return [
    {
      customer: textField(payload, meter?.customerKey ?? customerKeyDefault) ?? "",
      eventName,
      ...(identifier === undefined ? {} : { identifier }),
      ...(value === undefined ? {} : { value }),
    },
  ];
}

function readMeterEvent(form: Form, now: number): { event: ReceivedEvent } | { answer: Answer } {
  const eventName = textField(form, "event_name");
  if (eventName === undefined || eventName === "") return { answer: missingParameter("event_name") };
  if (eventName.length > textMaxLength) return { answer: tooLong("event_name") };
  const fields = mapField(form, "payload");
  if (fields === undefined) return { answer: missingParameter("payload") };
  const payload = flatTexts(fields);
  if (payload === undefined)
    return { answer: invalidParameter("The payload must be a flat map of strings.", "payload") };
  const identifier = textField(form, "identifier") ?? randomUUID();
  if (identifier === "")
    return { answer: invalidParameter("The identifier must not be empty.", "identifier") };
  if (identifier.length > textMaxLength) return { answer: tooLong("identifier") };
  const timestamp = textField(form, "timestamp") ?? String(now);
  if (!/^\d{1,12}$/.test(timestamp))
    return { answer: invalidParameter(`Invalid integer: ${timestamp}`, "timestamp") };
  return { event: { intake: "v1", eventName, identifier, payload, timestamp: Number(timestamp) } };
}

function refuseDefect({ kind, message }: Defect): Answer {
  const error = { type: "invalid_request_error", message };
  // Seen on real Stripe: a duplicate carries no code, and tells the SDK not to retry.
  if (kind === "duplicate") {
    return refuse(400, error, { executed: true, headers: { "stripe-should-retry": "false" } });
  }
  return refuse(400, error, { executed: true });
}

function flatTexts(fields: Form): Record<string, string> | undefined {
  const texts: Record<string, string> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value !== "string") return undefined;
    texts[name] = value;
  }
  return texts;
}

function tooLong(param: string): Answer {
  return invalidParameter(`The ${param} must be at most ${textMaxLength} characters.`, param);
}
