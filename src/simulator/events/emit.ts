import { apiVersion } from "../api-version.ts";
import type { StripeRequest } from "../request/route.ts";
import type { Simulation } from "../state.ts";
import { dispatchEvent } from "../webhooks/dispatch.ts";
import { forgetOldEvents } from "./kept-events.ts";
import { previousAttributes } from "./previous-attributes.ts";
import { type SnapshotEvent, type StoredEvent, type ThinEvent } from "./stored-event.ts";
import { thinTwin } from "./thin-twin.ts";

/** The API request behind an event; both null where Stripe acts by itself. */
export type Cause = { id: string | null; idempotency_key: string | null };

export const noRequest: Cause = { id: null, idempotency_key: null };

/** The cause of a change that a request of the API makes. */
export function causeOf({ requestId, idempotencyKey }: StripeRequest): Cause {
  return { id: requestId, idempotency_key: idempotencyKey ?? null };
}

export type Happening = {
  type: string;
  object: object;
  livemode: boolean;
  cause?: Cause;
  /** The object before the change, of a type that ends in `.updated`. */
  before?: object;
};

/** Creates a snapshot event of something that happened, by the simulator's clock, and sends it on its way. */
export function emit(state: Simulation, { type, object, livemode, cause, before }: Happening): SnapshotEvent {
  const event: SnapshotEvent = {
    id: state.nextId("evt"),
    object: "event",
    api_version: apiVersion,
    created: state.clock.nowSeconds(),
    data: structuredClone({
      object,
      ...(before === undefined ? {} : { previous_attributes: previousAttributes(before, object) }),
    }),
    livemode,
    request: cause ?? noRequest,
    type,
  };
  keepEvent(state, { payload: "snapshot", event, createdAt: event.created, deliveries: new Map() });
  if (state.settings.thin_twins) emitThin(state, thinTwin(event));
  return event;
}

type ThinHappening = Pick<ThinEvent, "type" | "livemode" | "related_object"> &
  Partial<Pick<ThinEvent, "data" | "reason" | "snapshot_event">>;

/** Creates a thin event. Its `data` stays here until it is fetched. */
export function emitThin(state: Simulation, happening: ThinHappening): ThinEvent {
  const event: ThinEvent = {
    id: state.nextId("evt"),
    object: "v2.core.event",
    created: new Date(state.clock.nowMs()).toISOString(),
    reason: null,
    ...happening,
  };
  keepEvent(state, { payload: "thin", event, createdAt: state.clock.nowSeconds(), deliveries: new Map() });
  return event;
}

/** Like `emit`, but says nothing when nothing has changed. */
export function emitUpdate(state: Simulation, happening: Happening & { before: object }): void {
  const changed = previousAttributes(happening.before, happening.object);
  if (Object.keys(changed).length > 0) emit(state, happening);
}

/** Stores an event and hands it to the endpoints that want it. */
export function keepEvent(state: Simulation, stored: StoredEvent): void {
  forgetOldEvents(state);
  state.events.set(stored.event.id, stored);
  dispatchEvent(state, stored);
}
