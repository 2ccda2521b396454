import { z } from "zod";
import { ok, type Answer } from "../request/answer.ts";
import { refuse } from "../request/errors.ts";
import type { Route, StripeRequest } from "../request/route.ts";
import type { Touched } from "../request/touched.ts";
import type { Simulation } from "../state.ts";
import type { DefectKind } from "../usage/defect.ts";
import { takeEvent } from "../usage/take-event.ts";
import { receivedEvent, touchedByV2Event, v2EventSchema } from "./read-event.ts";

const eventsMax = 100;

const bodySchema = z.object({ events: z.array(v2EventSchema).min(1).max(eventsMax) });

/** Validation is fully asynchronous (certain); that duplicates vanish silently follows from their having no code. */
const toldAtOnceCodes: ReadonlySet<DefectKind> = new Set();

/** docs.stripe.com/api/v2/billing/meter-event-stream/create, certain. No lock per customer is documented here. */
export const createStreamRoute: Route = {
  method: "POST",
  path: "/v2/billing/meter_event_stream",
  api: "v2",
  execute: createStream,
  touches: touchedByBody,
  takesEvents: true,
  needsSession: true,
};

function createStream(state: Simulation, request: StripeRequest): Answer {
  const body = bodySchema.safeParse(request.json);
  if (!body.success) {
    const message = `The body must hold 1 to ${eventsMax} well-formed events.`;
    return refuse(400, { code: "invalid_fields", message });
  }
  for (const event of body.data.events) {
    takeEvent(state, receivedEvent(state, event, "stream"), { request, toldAtOnce: toldAtOnceCodes });
  }
  // An empty body would make the SDK fail with "Invalid JSON".
  return ok({});
}

function touchedByBody(state: Simulation, { json }: StripeRequest): Touched[] {
  const body = bodySchema.safeParse(json);
  return body.success ? body.data.events.map((event) => touchedByV2Event(state, event)) : [];
}
