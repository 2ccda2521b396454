import { ok, type Answer } from "../request/answer.ts";
import { invalidParameter, resourceMissing } from "../request/errors.ts";
import { textField } from "../request/form.ts";
import { listPage } from "../request/list.ts";
import type { Route, StripeRequest } from "../request/route.ts";
import type { Simulation } from "../state.ts";
import { isAskedFor } from "./event-filter.ts";
import { findEvent, keptEvents } from "./kept-events.ts";
import { eventObject } from "./stored-event.ts";

const eventsPath = "/v1/events";

/** docs.stripe.com/api/events, certain: snapshot events of the last 30 days, the newest first. */
export const eventRoutes: Route[] = [
  { method: "GET", path: eventsPath, api: "v1", execute: listEvents },
  { method: "GET", path: `${eventsPath}/:id`, api: "v1", execute: retrieveEvent },
];

function retrieveEvent(state: Simulation, { id }: StripeRequest): Answer {
  const stored = findEvent(state, id);
  return stored?.payload === "snapshot" ? ok(eventObject(stored)) : resourceMissing("event", id);
}

function listEvents(state: Simulation, { form }: StripeRequest): Answer {
  if (textField(form, "type") !== undefined && form["types"] !== undefined) {
    return invalidParameter("You may only specify one of: type, types.");
  }
  const cursor = textField(form, "starting_after") ?? textField(form, "ending_before");
  const listed = keptEvents(state, "snapshot")
    // The event to go on from need not be of the types that are asked for; it is never part of the page.
    .filter((stored) => isAskedFor(stored, form) || stored.event.id === cursor);
  return listPage(listed.toReversed().map(eventObject), form, eventsPath);
}
