import type { Answer } from "./answer.ts";

/** The inside of Stripe's error envelope. v2 errors carry `code` and `message`, often without a `type`. */
export type StripeErrorBody = { type?: string; code?: string; message: string; param?: string };

type RefusalOptions = { executed?: boolean; headers?: Record<string, string> };

/** Wraps an error in Stripe's envelope. Without `executed`, an Idempotency-Key does not keep the answer. */
export function refuse(status: number, error: StripeErrorBody, options: RefusalOptions = {}): Answer {
  return { status, body: { error }, executed: options.executed ?? false, ...headersOf(options) };
}

/** 400 for a parameter that is refused before any work begins. Wording of the message: uncertain. */
export function invalidParameter(message: string, param?: string): Answer {
  return refuse(400, { type: "invalid_request_error", message, ...(param === undefined ? {} : { param }) });
}

/** 400 for a required parameter that is absent. */
export function missingParameter(param: string): Answer {
  const message = `Missing required param: ${param}.`;
  return refuse(400, { type: "invalid_request_error", code: "parameter_missing", message, param });
}

/** 404 for an id in the path, 400 for an id in a parameter that names nothing. */
export function resourceMissing(noun: string, id: string, param?: string): Answer {
  const message = `No such ${noun}: '${id}'`;
  const error = { type: "invalid_request_error", code: "resource_missing", message, param: param ?? "id" };
  return refuse(param === undefined ? 404 : 400, error);
}

/** 500 in the middle of the work, so a v1 Idempotency-Key keeps it (docs.stripe.com/error-low-level, certain). */
export function internalError(): Answer {
  const message = "An unknown error occurred (simulated).";
  return refuse(500, { type: "api_error", message }, { executed: true });
}

/** 401 for a key that is unknown, revoked or absent. */
export function keyRefused(message: string): Answer {
  return refuse(401, { type: "invalid_request_error", message });
}

/** 403 for a key that may not do this. */
export function keyForbidden(): Answer {
  const message = "The provided key does not have the required permissions for this endpoint.";
  return refuse(403, { type: "invalid_request_error", message });
}

/** 403 for a restricted key that lacks the permission; wording of the message: uncertain. */
export function permissionMissing(maskedKey: string): Answer {
  const message = `The provided key '${maskedKey}' does not have the required permissions for this endpoint.`;
  return refuse(403, { type: "invalid_request_error", message });
}

/** 401 of the stream (API reference, certain): the SDK needs both the code and the type. */
export function sessionExpired(): Answer {
  return refuse(401, {
    type: "temporary_session_expired",
    code: "billing_meter_event_session_expired",
    message: "The session token has expired.",
  });
}

function headersOf(options: RefusalOptions): { headers?: Record<string, string> } {
  return options.headers === undefined ? {} : { headers: options.headers };
}
