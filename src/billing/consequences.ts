import type { Scope } from "../delivery/pauses.ts";
import type { RejectedEvent } from "../delivery/reject.ts";
import type { Log } from "../log.ts";

/** The effects of a webhook on deliveries, and on who pays. */
export type Consequence =
  /** `unreadable`: samples of a report that name no event. */
  | { kind: "rejected"; events: readonly RejectedEvent[]; unreadable?: number | undefined }
  | { kind: "paused" | "resumed"; scope: Scope }
  | { kind: "customer_deleted"; organizationId: string; customerId: string };

/** Logs them as the worker logs the effects of its own requests, with the id of the webhook event. */
export function logConsequences(
  log: Log,
  consequences: readonly Consequence[],
  { eventId }: { eventId: string },
): void {
  for (const consequence of consequences) logConsequence(log, consequence, { event_id: eventId });
}

function logConsequence(log: Log, consequence: Consequence, told: { event_id: string }): void {
  switch (consequence.kind) {
    case "rejected":
      for (const rejected of consequence.events) {
        const { organizationId, meterEventId, meter, attempt, reason } = rejected;
        const ids = { organization_id: organizationId, meter_event_id: meterEventId, meter, attempt };
        const outcome = { state: "rejected", reason, verdict: "rejected" };
        log.warn({ event: "meter_event_not_delivered", ...ids, ...outcome, ...told });
      }
      if (consequence.unreadable) {
        log.warn({ event: "report_samples_unreadable", count: consequence.unreadable, ...told });
      }
      return;
    case "paused":
      return log.error({
        event: "delivery_paused",
        scope: consequence.scope,
        reason: "meter_deactivated",
        ...told,
      });
    case "resumed":
      return log.info({ event: "delivery_resumed", scope: consequence.scope, ...told });
    case "customer_deleted":
      return log.warn({
        event: "customer_faulty",
        organization_id: consequence.organizationId,
        stripe_customer_id: consequence.customerId,
        fault: "deleted",
        ...told,
      });
  }
}
