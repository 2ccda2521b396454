import { z } from "zod";
import { apiVersion } from "../api-version.ts";
import { keepEvent, noRequest } from "../events/emit.ts";
import { eventObject, type StoredEvent } from "../events/stored-event.ts";
import type { Simulation } from "../state.ts";

const jsonObject = z.record(z.string(), z.unknown());

const shared = {
  id: z.string().min(1).optional(),
  type: z.string().min(1),
  livemode: z.boolean().default(false),
};

/** An event of the caller's making. A thin one has an `object`; its `data` is returned when the event is fetched. */
export const injectedEventSchema = z.discriminatedUnion("object", [
  z.strictObject({
    ...shared,
    object: z.literal("event").default("event"),
    data: z.strictObject({ object: jsonObject, previous_attributes: jsonObject.optional() }),
    /** Unix seconds; the simulator's now when absent. */
    created: z.int().nonnegative().optional(),
    api_version: z.string().min(1).default(apiVersion),
  }),
  z.strictObject({
    ...shared,
    object: z.literal("v2.core.event"),
    data: jsonObject.optional(),
    related_object: z
      .strictObject({ id: z.string(), type: z.string(), url: z.string() })
      .nullable()
      .default(null),
  }),
]);

export type InjectedEvent = z.input<typeof injectedEventSchema>;

/** Stores and delivers an event without any cause in the account. */
export function injectEvent(state: Simulation, wanted: z.output<typeof injectedEventSchema>) {
  const stored = storedEvent(state, wanted);
  keepEvent(state, stored);
  return eventObject(stored);
}

function storedEvent(state: Simulation, wanted: z.output<typeof injectedEventSchema>): StoredEvent {
  const id = wanted.id ?? state.nextId("evt");
  const createdAt = state.clock.nowSeconds();
  const { type, livemode } = wanted;
  if (wanted.object === "v2.core.event") {
    const { object, related_object, data } = wanted;
    const created = new Date(state.clock.nowMs()).toISOString();
    const event = { id, object, created, livemode, reason: null, related_object, type };
    return {
      payload: "thin",
      event: { ...event, ...(data === undefined ? {} : { data }) },
      createdAt,
      deliveries: new Map(),
    };
  }
  const { object, api_version, data } = wanted;
  const created = wanted.created ?? createdAt;
  const { previous_attributes } = data;
  return {
    payload: "snapshot",
    event: {
      id,
      object,
      api_version,
      created,
      data: { object: data.object, ...(previous_attributes === undefined ? {} : { previous_attributes }) },
      livemode,
      request: noRequest,
      type,
    },
    createdAt: created,
    deliveries: new Map(),
  };
}
