import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { Simulation } from "../state.ts";
import type { Touched } from "../request/touched.ts";
import type { Intake } from "../usage/ledger.ts";
import type { ReceivedEvent } from "../usage/find-defect.ts";
import { customerKeyDefault, valueKeyDefault } from "../usage/meter.ts";

/** docs.stripe.com/api/v2/billing/meter-event, certain: real strings in the payload, RFC 3339 in the timestamp. */
export const v2EventSchema = z.object({
  event_name: z.string().min(1).max(100),
  payload: z.record(z.string(), z.string()),
  identifier: z.string().min(1).max(100).optional(),
  timestamp: z.iso.datetime({ offset: true }).optional(),
});

export type V2Event = z.infer<typeof v2EventSchema>;

/** Turns the body's event into the one that the rules speak of. */
export function receivedEvent(state: Simulation, event: V2Event, intake: Intake): ReceivedEvent {
  const timestampMs = event.timestamp === undefined ? state.clock.nowMs() : Date.parse(event.timestamp);
  return {
    intake,
    eventName: event.event_name,
    identifier: event.identifier ?? randomUUID(),
    payload: event.payload,
    timestamp: Math.floor(timestampMs / 1000),
  };
}

/** The usage that a v2 event is about. */
export function touchedByV2Event(state: Simulation, event: V2Event): Touched {
  const meter = state.meterByEventName.get(event.event_name);
  const value = event.payload[meter?.valueKey ?? valueKeyDefault];
  return {
    customer: event.payload[meter?.customerKey ?? customerKeyDefault] ?? "",
    eventName: event.event_name,
    ...(event.identifier === undefined ? {} : { identifier: event.identifier }),
    ...(value === undefined ? {} : { value }),
  };
}
