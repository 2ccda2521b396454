import type { DefectKind } from "./defect.ts";
import type { Intake, Origin } from "./ledger.ts";

/** One event that was accepted and found invalid afterwards; Stripe tells it by an error report. */
export type AsyncError = {
  code: string;
  message: string;
  event_name: string;
  identifier: string;
  customer: string | null;
  api: Intake;
  request_id: string;
  idempotency_key: string | null;
  livemode: boolean;
  received_at: string;
};

/** The codes that an accepted event can be reported with (SDK typings, certain; the list is open). */
export const lateRefusalCodes = [
  "archived_meter",
  "meter_event_customer_not_found",
  "meter_event_dimension_count_too_high",
  "meter_event_invalid_value",
  "meter_event_no_customer_defined",
  "meter_event_value_too_many_digits",
  "missing_dimension_payload_keys",
  "timestamp_in_future",
  "timestamp_too_far_in_past",
] as const;

/**
 * The code of a defect in `v1.billing.meter.error_report_triggered` (SDK typings, certain); undefined where
 * Stripe has none. A missing value has left the list of codes, so it is an invalid one here.
 */
export function asyncErrorCode(kind: DefectKind): string | undefined {
  switch (kind) {
    case "no_meter":
    case "archived_meter":
      return kind;
    case "no_customer_defined":
      return "meter_event_no_customer_defined";
    case "no_value_defined":
    case "invalid_value":
      return "meter_event_invalid_value";
    case "too_many_digits":
      return "meter_event_value_too_many_digits";
    case "too_old":
      return "timestamp_too_far_in_past";
    case "in_future":
      return "timestamp_in_future";
    case "customer_not_found":
      return "meter_event_customer_not_found";
    case "duplicate":
      return undefined;
  }
}

/** The report's words about an event that was refused on demand. */
export const foundInvalid = "The event was found invalid afterwards (simulated).";

type Finding = {
  code: string;
  message: string;
  eventName: string;
  identifier: string;
  customer: string | null;
  receivedAtMs: number;
};

/** Adds the error to the next error report. */
export function noteAsyncError(errors: AsyncError[], origin: Origin, finding: Finding): void {
  errors.push({
    code: finding.code,
    message: finding.message,
    event_name: finding.eventName,
    identifier: finding.identifier,
    customer: finding.customer,
    api: origin.api,
    request_id: origin.requestId,
    idempotency_key: origin.idempotencyKey ?? null,
    livemode: origin.livemode,
    received_at: new Date(finding.receivedAtMs).toISOString(),
  });
}
