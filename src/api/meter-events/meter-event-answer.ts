import { z } from "@hono/zod-openapi";
import { meterEventStates } from "../../delivery/meter-event-states.ts";
import { waits } from "../../delivery/waiting.ts";
import type { DeliveryAttempt, MeterEvent } from "../../delivery/meter-events.ts";
import type { Resolved } from "../../delivery/resolve.ts";
import type { Entry } from "../../outbox/entries.ts";
import { describeConfirmation } from "../../reconciliation/confirmation.ts";
import { describeEvidence, type Evidence } from "../../reconciliation/doubt/evidence.ts";
import type { Explanation } from "./explain-meter-event.ts";

const instant = z.iso.datetime();

export const meterEventSchema = z
  .strictObject({
    id: z.uuid().openapi({ description: "Stripe's identifier too, the same for every attempt" }),
    organization_id: z.uuid(),
    meter: z.string(),
    hour: instant,
    quantity: z.int(),
    event_at: instant,
    entry_count: z.int(),
    stripe_customer_id: z.string(),
    state: z.enum(meterEventStates),
    reason: z.string().nullable(),
    attempts_started: z.int(),
    attempts_finished: z.int(),
    first_attempt_at: instant.nullable(),
    last_attempt_at: instant.nullable(),
    last_error: z.string().nullable(),
    sealed_at: instant,
    delivered_at: instant.nullable(),
    replaces_id: z
      .uuid()
      .nullable()
      .openapi({ description: "the event in doubt whose usage this one sends again" }),
    resolved_at: instant.nullable(),
    resolution_reason: z.string().nullable(),
    waits_for: z.enum(waits).nullable().openapi({ description: "what a pending one waits for" }),
    next_attempt_at: instant.nullable().openapi({
      description: "when a pending one is due, or was; null where something else decides",
    }),
  })
  .openapi("MeterEvent");

const attemptSchema = z.strictObject({
  attempt: z.int(),
  started_at: instant,
  duration_ms: z.int(),
  verdict: z.string(),
  http_status: z.int().nullable(),
  code: z.string().nullable(),
  message: z.string().nullable(),
  stripe_request_id: z.string().nullable(),
});

const entrySchema = z.strictObject({
  id: z.uuid(),
  occurred_at: instant,
  quantity: z.int(),
  idempotency_key: z.string().nullable().openapi({ description: "that record_usage was given" }),
});

const evidenceSchema = z.strictObject({
  text: z.string(),
  start: instant,
  end: instant,
  ours: z.string().openapi({ description: "what is certainly at Stripe" }),
  doubtful: z.string().openapi({ description: "what may be there, all events of the window in doubt" }),
  theirs: z.string().openapi({ description: "Stripe's sum" }),
  reason: z.string().nullable().openapi({ description: "why the sum does not explain the doubt" }),
  read_at: instant,
});

const confirmationSchema = z.strictObject({
  confirmed: z.boolean().openapi({ description: "Stripe's sum of the window was ours" }),
  text: z.string(),
  start: instant,
  end: instant,
  ours: z.string(),
  theirs: z.string(),
  read_at: instant,
});

// Not by extending: the OpenAPI document would write that as a conjunction of two closed schemas, which no answer fits.
export const meterEventDetailSchema = z
  .strictObject({
    ...meterEventSchema.shape,
    attempts: z.array(attemptSchema),
    entries: z.array(entrySchema).openapi({
      description: "the oldest ten thousand; `entry_count` says how many there are",
    }),
    dropped: z.array(z.enum(["attempts", "entries"])).openapi({
      description: "what of it is so old that it is not kept any more, and missing here",
    }),
    evidence: evidenceSchema.nullable().openapi({
      description: "the look at Stripe's sum that its doubt ended by, or the newest while it is in doubt",
    }),
    confirmation: confirmationSchema.nullable().openapi({
      description: "the latest comparison with Stripe's sums of a window that holds it; null: none yet",
    }),
  })
  .openapi("MeterEventDetail");

/** The result of resolving an event in doubt. */
export const resolvedSchema = z.strictObject({
  id: z.uuid(),
  state: z.enum(["delivered", "superseded", "expired"]),
  replaced_by: z.uuid().nullable(),
  evidence: evidenceSchema
    .nullable()
    .openapi({ description: "the newest look at Stripe's sum of its window, which the event keeps" }),
});

export function renderResolved(
  id: string,
  { state, replacedBy }: Resolved,
  evidence: Evidence | undefined,
): z.infer<typeof resolvedSchema> {
  return { id, state, replaced_by: replacedBy, evidence: renderEvidence(evidence) };
}

function renderEvidence(evidence: Evidence | undefined): z.infer<typeof evidenceSchema> | null {
  if (evidence === undefined) return null;
  const { start, end, readAt, ...sums } = evidence;
  return {
    text: describeEvidence(evidence),
    start: start.toISOString(),
    end: end.toISOString(),
    read_at: readAt.toISOString(),
    ...sums,
  };
}

export function renderMeterEvent(event: MeterEvent): z.infer<typeof meterEventSchema> {
  return {
    id: event.id,
    organization_id: event.organizationId,
    meter: event.meter,
    hour: event.hour.toISOString(),
    quantity: event.quantity,
    event_at: event.eventAt.toISOString(),
    entry_count: event.entryCount,
    stripe_customer_id: event.stripeCustomerId,
    state: event.state,
    reason: event.reason,
    attempts_started: event.attemptsStarted,
    attempts_finished: event.attemptsFinished,
    first_attempt_at: event.firstAttemptAt?.toISOString() ?? null,
    last_attempt_at: event.lastAttemptAt?.toISOString() ?? null,
    last_error: event.lastError,
    sealed_at: event.sealedAt.toISOString(),
    delivered_at: event.deliveredAt?.toISOString() ?? null,
    replaces_id: event.replacesId,
    resolved_at: event.resolvedAt?.toISOString() ?? null,
    resolution_reason: event.resolutionReason,
    waits_for: event.waitsFor,
    next_attempt_at: event.nextAttemptAt?.toISOString() ?? null,
  };
}

export function renderExplanation(explained: Explanation): z.infer<typeof meterEventDetailSchema> {
  return {
    ...renderMeterEvent(explained.event),
    attempts: explained.attempts.map(renderAttempt),
    entries: explained.entries.map(renderEntry),
    dropped: explained.dropped,
    evidence: renderEvidence(explained.evidence),
    confirmation: renderConfirmation(explained),
  };
}

function renderConfirmation({ event, confirmation }: Explanation): z.infer<typeof confirmationSchema> | null {
  if (confirmation === undefined) return null;
  return {
    confirmed: confirmation.isConfirmed,
    text: describeConfirmation(confirmation, event.meter),
    start: confirmation.start.toISOString(),
    end: confirmation.end.toISOString(),
    ours: confirmation.ours,
    theirs: confirmation.theirs,
    read_at: confirmation.readAt.toISOString(),
  };
}

function renderAttempt(attempt: DeliveryAttempt): z.infer<typeof attemptSchema> {
  return {
    attempt: attempt.attempt,
    started_at: attempt.startedAt.toISOString(),
    duration_ms: attempt.durationMs,
    verdict: attempt.verdict,
    http_status: attempt.httpStatus,
    code: attempt.code,
    message: attempt.message,
    stripe_request_id: attempt.stripeRequestId,
  };
}

function renderEntry({ id, occurredAt, quantity, idempotencyKey }: Entry): z.infer<typeof entrySchema> {
  return { id, occurred_at: occurredAt.toISOString(), quantity, idempotency_key: idempotencyKey };
}
