import type { Session } from "./stream-session.ts";
import { randomBytes } from "node:crypto";
import { ok, type Answer } from "../request/answer.ts";
import type { Route, StripeRequest } from "../request/route.ts";
import type { Simulation } from "../state.ts";

const lifetimeMs = 15 * 60 * 1000;

/** docs.stripe.com/api/v2/billing/meter-event-stream, certain. */
export const createSessionRoute: Route = {
  method: "POST",
  path: "/v2/billing/meter_event_session",
  api: "v2",
  execute: createSession,
};

/** The session of a token, or undefined once it has expired or when it never was. */
export function findSession(state: Simulation, token: string): Session | undefined {
  const session = state.sessions.get(token);
  if (session === undefined || session.expiresAtMs <= state.clock.nowMs()) return undefined;
  return session;
}

function createSession(state: Simulation, request: StripeRequest): Answer {
  const nowMs = state.clock.nowMs();
  const token = `simulated_session_${randomBytes(16).toString("hex")}`;
  const { apiKey, livemode } = request;
  state.sessions.set(token, { apiKey, livemode, expiresAtMs: nowMs + lifetimeMs });
  return ok({
    object: "v2.billing.meter_event_session",
    id: state.nextId("mes"),
    authentication_token: token,
    created: new Date(nowMs).toISOString(),
    expires_at: new Date(nowMs + lifetimeMs).toISOString(),
    livemode,
  });
}
