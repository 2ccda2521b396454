import { eventBody } from "../events/stored-event.ts";
import type { Simulation } from "../state.ts";
import { logAttempt, type DeliveryAttempt } from "./delivery-log.ts";
import { signatureHeader } from "./signature.ts";
import type { Delivery } from "./webhooks.ts";

type Answer = Pick<DeliveryAttempt, "outcome" | "status" | "fault">;

/** Posts an event once and logs it; true when the receiver took it, which is any 2xx (certain). */
export async function attemptDelivery(
  state: Simulation,
  delivery: Delivery,
  { attempt, copy }: { attempt: number; copy: number },
): Promise<boolean> {
  const { endpoint, stored } = delivery;
  const at = new Date().toISOString();
  const startedMs = performance.now();
  const answer = await post(state, delivery);
  // An attempt that stopping cuts off has not failed.
  if (state.webhooks.stopping.signal.aborted) return false;
  logAttempt(state.webhooks.log, {
    event_id: stored.event.id,
    type: stored.event.type,
    payload: stored.payload,
    endpoint_id: endpoint.id,
    url: endpoint.url,
    attempt,
    copy,
    ...answer,
    at,
    duration_ms: Math.round(performance.now() - startedMs),
  });
  return answer.outcome === "delivered";
}

async function post(state: Simulation, { endpoint, stored }: Delivery): Promise<Answer> {
  const body = eventBody(stored, endpoint.api_version);
  const { stopping } = state.webhooks;
  try {
    const response = await fetch(endpoint.url, {
      method: "POST",
      headers: {
        "Content-Type": "application/json; charset=utf-8",
        // Every attempt is signed anew (docs.stripe.com/webhooks, certain).
        "Stripe-Signature": signatureHeader(body, {
          secrets: endpoint.secrets,
          timestamp: signatureTime(state),
        }),
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
      },
      body,
      // A redirect is no success (docs.stripe.com/webhooks, certain).
      redirect: "manual",
      signal: AbortSignal.any([stopping.signal, AbortSignal.timeout(state.settings.webhook_timeout_ms)]),
    });
    await response.arrayBuffer();
    return { outcome: response.ok ? "delivered" : "refused", status: response.status, fault: null };
  } catch (error) {
    return { outcome: "unreachable", status: null, fault: describeFailure(error) };
  }
}

/** Unix seconds of `t`. Receivers compare it with real time, so that is the default (tolerance of 300 s, certain). */
function signatureTime({ settings, clock }: Simulation): number {
  const nowMs = settings.webhook_signature_clock === "simulator" ? clock.nowMs() : Date.now();
  return Math.floor(nowMs / 1000) + settings.webhook_timestamp_offset_seconds;
}

function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : undefined;
  return code ?? (cause instanceof Error ? cause.message : error.message);
}
