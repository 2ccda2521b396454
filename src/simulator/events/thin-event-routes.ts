import { ok, type Answer } from "../request/answer.ts";
import { refuse } from "../request/errors.ts";
import { textField } from "../request/form.ts";
import type { Route, StripeRequest } from "../request/route.ts";
import type { Simulation } from "../state.ts";
import { isAskedFor } from "./event-filter.ts";
import { findEvent, keptEvents } from "./kept-events.ts";
import { eventObject } from "./stored-event.ts";

const thinEventsPath = "/v2/core/events";
const limitDefault = 20;
const limitMax = 100;

/** docs.stripe.com/api/v2/core/events, certain; that the newest comes first is our guess. */
export const thinEventRoutes: Route[] = [
  { method: "GET", path: thinEventsPath, api: "v2", execute: listThinEvents },
  { method: "GET", path: `${thinEventsPath}/:id`, api: "v2", execute: retrieveThinEvent },
];

function retrieveThinEvent(state: Simulation, { id }: StripeRequest): Answer {
  const stored = findEvent(state, id);
  if (stored?.payload === "thin") return ok(eventObject(stored));
  return refuse(404, { code: "not_found", message: `No such event: '${id}'` });
}

function listThinEvents(state: Simulation, { form }: StripeRequest): Answer {
  const limit = Number(textField(form, "limit") ?? limitDefault);
  if (!Number.isInteger(limit) || limit < 1 || limit > limitMax) {
    return refuse(400, { code: "invalid_fields", message: `The limit must be 1 to ${limitMax}.` });
  }
  const objectId = textField(form, "object_id");
  const listed = keptEvents(state, "thin")
    .filter((stored) => isAskedFor(stored, form))
    .filter(({ event }) => objectId === undefined || event.related_object?.id === objectId);
  const start = Number(textField(form, "page") ?? 0);
  const page = listed.toReversed().slice(start, start + limit);
  const hasMore = listed.length > start + limit;
  return ok({
    data: page.map(eventObject),
    next_page_url: hasMore ? `${thinEventsPath}?page=${start + limit}` : null,
    previous_page_url: null,
  });
}
