import type { Reminder } from "../queue/deliver-job.ts";
import type { Tracer } from "../tracing/tracer.ts";
import type { SealedEvent } from "./sealed-event.ts";

/**
 * Records the seal of one transaction, and below it the seal of each meter event. A meter event's span continues the
 * trace of its first traced entry and links to the others, so that each entry can be followed to Stripe. Returns the
 * reminders, which carry the trace on. A seal of nothing leaves no span.
 */
export function traceSeal(
  tracer: Tracer,
  events: readonly SealedEvent[],
  { startedAtMs }: { startedAtMs: number },
): readonly Reminder[] {
  if (!tracer.isOn || events.length === 0) return events;
  const entries = events.reduce((sum, event) => sum + event.entries, 0);
  const seal = tracer.start("seal", {
    startedAtMs,
    attributes: { "meter_outbox.meter_events": events.length, "meter_outbox.entries": entries },
  });
  const reminders = events.map((event) => {
    const links = event.traceparents ?? [];
    const span = tracer.start("seal meter event", {
      kind: "producer",
      parent: links[0] ?? seal.traceparent,
      links,
      startedAtMs,
      attributes: {
        "messaging.system": "pg-boss",
        "messaging.operation.type": "send",
        "meter_outbox.meter_event_id": event.meterEventId,
        "meter_outbox.organization_id": event.organizationId,
        "meter_outbox.meter": event.meter,
        "meter_outbox.quantity": Number(event.quantity),
        "meter_outbox.entries": event.entries,
      },
    });
    span.end();
    return { ...event, traceparent: span.traceparent };
  });
  seal.end();
  return reminders;
}
