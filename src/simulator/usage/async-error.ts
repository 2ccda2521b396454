import type { DefectKind } from "./find-defect.ts";
import type { Intake } from "./ledger.ts";

/** One event that was accepted and found wanting afterwards; Stripe tells it by an error report. */
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
