import { ok, type Answer } from "../request/answer.ts";
import { invalidParameter, missingParameter, refuse } from "../request/errors.ts";
import { mapField, textField } from "../request/form.ts";
import type { Route, StripeRequest } from "../request/route.ts";
import type { Simulation } from "../state.ts";
import { identifierKey } from "../usage/find-defect.ts";
import { daySeconds } from "../usage/meter.ts";

/** docs.stripe.com/api/billing/meter-event-adjustment, certain; the messages are our guess. */
export const createAdjustmentRoute: Route = {
  method: "POST",
  path: "/v1/billing/meter_event_adjustments",
  api: "v1",
  execute: createAdjustment,
};

function createAdjustment(state: Simulation, { form, livemode }: StripeRequest): Answer {
  const eventName = textField(form, "event_name") ?? "";
  if (eventName === "") return missingParameter("event_name");
  if (textField(form, "type") !== "cancel") return invalidParameter("The type must be 'cancel'.", "type");
  const identifier = textField(mapField(form, "cancel") ?? {}, "identifier") ?? "";
  if (identifier === "") return missingParameter("cancel[identifier]");
  const event = { intake: "v1" as const, eventName, identifier, payload: {}, timestamp: 0 };
  const record = state.ledger.records.get(identifierKey(state, event));
  if (record === undefined || record.meter.eventName !== eventName || record.counts.length === 0) {
    return refusal(`No meter event found with identifier ${identifier}.`);
  }
  const nowMs = state.clock.nowMs();
  if (nowMs - record.acceptedAtMs > daySeconds * 1000) {
    return refusal("Meter events can only be cancelled within 24 hours of being received.");
  }
  record.cancelledAtMs ??= nowMs;
  return ok({
    object: "billing.meter_event_adjustment",
    cancel: { identifier },
    event_name: eventName,
    livemode,
    status: "pending",
    type: "cancel",
  });
}

function refusal(message: string): Answer {
  return refuse(400, { type: "invalid_request_error", message }, { executed: true });
}
