import { httpStatusOf } from "../stripe/answer.ts";
import { errorTypeOf, type Span, type Tracer } from "../tracing/tracer.ts";
import type { FinishedAttempt } from "./settle.ts";
import type { TakenJob } from "./take-jobs.ts";

/**
 * Begins a span for each attempt, which continues the trace of its job, if the job has one. Where attempts share one
 * request, the request's span is below the first attempt's, and the others link to it.
 */
export function startAttemptSpans(tracer: Tracer, taken: readonly TakenJob[]): Span[] {
  const spans: Span[] = [];
  for (const { attempt, traceparent } of taken) {
    const sender = spans[0]?.traceparent;
    const span = tracer.start("deliver", {
      kind: "consumer",
      parent: traceparent,
      links: sender === undefined ? [] : [sender],
      attributes: {
        "messaging.system": "pg-boss",
        "messaging.operation.type": "process",
        "meter_outbox.meter_event_id": attempt.meterEventId,
        "meter_outbox.organization_id": attempt.organizationId,
        "meter_outbox.meter": attempt.meter,
        "meter_outbox.quantity": Number(attempt.quantity),
        "meter_outbox.attempt": attempt.attempt,
      },
    });
    spans.push(span);
  }
  return spans;
}

/** Sends with the first of the attempts' spans as the current one. An error ends them all. */
export async function sendWithin<T>(
  tracer: Tracer,
  spans: readonly Span[],
  send: () => Promise<T>,
): Promise<T> {
  const [sender] = spans;
  if (sender === undefined) return send();
  try {
    return await tracer.within(sender, send);
  } catch (error) {
    for (const span of spans) {
      span.fail(errorTypeOf(error));
      span.end();
    }
    throw error;
  }
}

/** Ends the attempts' spans with what Stripe's answer means. Settling comes after. */
export function endAttemptSpans(
  spans: readonly Span[],
  { verdict, answer }: Pick<FinishedAttempt, "verdict" | "answer">,
): void {
  for (const span of spans) {
    span.set({
      "meter_outbox.verdict": verdict.kind,
      "http.response.status_code": httpStatusOf(answer),
    });
    if (verdict.kind !== "delivered") span.fail(verdict.reason);
    span.end();
  }
}
