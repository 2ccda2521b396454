import type { Answer } from "../request/answer.ts";
import { internalError, keyForbidden, keyRefused, refuse, sessionExpired } from "../request/errors.ts";
import { parallelRefusal } from "../request/in-flight.ts";
import { lockTimeout, rateLimited } from "../request/rate-limit.ts";
import type { Route } from "../request/route.ts";
import type { Touched } from "../request/touched.ts";
import { noActiveMeter } from "../usage/find-defect.ts";
import type { ActionSpec } from "./fault.ts";

const unavailablePage =
  "<html><head><title>503 Service Unavailable</title></head><body>Simulated</body></html>";

type Struck = { route: Route; touched: readonly Touched[] };

/** The answer of a fault that refuses before any work, or undefined for a fault of another nature. */
export function refusalOfFault(spec: ActionSpec, { route, touched }: Struck): Answer | undefined {
  switch (spec.kind) {
    case "status":
      return statusAnswer(spec, route);
    case "wrong_key":
      return keyRefused("Invalid API Key provided (simulated).");
    case "forbidden":
      return keyForbidden();
    case "expired_session":
      return sessionExpired();
    case "inactive_meter":
      return inactiveMeter(route, touched[0]?.eventName ?? "");
    case "cut_before":
    case "accept_then_cut":
    case "accept_then_500":
    case "stored_500":
    case "never_answer":
    case "slow_drip":
    case "duplicate_processing":
    case "refuse_later":
      return undefined;
  }
}

function statusAnswer(spec: Extract<ActionSpec, { kind: "status" }>, route: Route): Answer {
  switch (spec.status) {
    case 409:
      return parallelRefusal(409, route.api);
    case 429:
      return spec.reason === "lock_timeout"
        ? lockTimeout()
        : rateLimited(spec.reason, spec.retry_after_seconds);
    case 500:
      // Failed before any work, so an Idempotency-Key keeps nothing; `stored_500` is the other one.
      return { ...internalError(), executed: false };
    case 503:
      return { status: 503, body: unavailablePage, executed: false };
  }
}

function inactiveMeter(route: Route, eventName: string): Answer {
  const message = noActiveMeter(eventName);
  const executed = true;
  if (route.api === "v2") return refuse(400, { code: "archived_meter", message }, { executed });
  return refuse(400, { type: "invalid_request_error", message }, { executed });
}
