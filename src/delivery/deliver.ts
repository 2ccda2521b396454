import { messageOf } from "../process/message-of.ts";
import type { Log } from "../log.ts";
import type { StripeAnswer } from "../stripe/answer.ts";
import type { Transport } from "../stripe/sync-transport.ts";
import { type Span, type Tracer, untraced } from "../tracing/tracer.ts";
import type { MeterEventNames } from "../usage/meters.ts";
import { endAttemptSpans, sendWithin, startAttemptSpans } from "./attempt-spans.ts";
import { outcomeOf } from "./outcome.ts";
import type { FinishedAttempt } from "./settle.ts";
import type { TakenJob } from "./take-jobs.ts";
import { verdictOf } from "./verdict.ts";

/**
 * Ends attempts that were begun and then not made; each is recorded so, and the event's own attempts are not reduced.
 */
export function holdBack(taken: readonly TakenJob[], message = "no request was made"): FinishedAttempt[] {
  return taken.map(({ attempt, job, traceparent }) => ({
    attempt,
    job,
    traceparent,
    durationMs: 0,
    answer: { kind: "no_answer", reachedStripe: "no", code: "held_back", message },
    verdict: { kind: "retry", reason: "held_back", retryAfterMs: null },
    outcome: { state: "pending", reason: "held_back", again: "at_once" },
  }));
}

export type DeliverOptions = {
  transport: Transport;
  eventNames: MeterEventNames;
  now: () => Date;
  tracer?: Tracer;
};

/**
 * Makes one attempt at each of these events, in one request: sends them as they were sealed and judges the answer,
 * which holds for each. No transaction is open meanwhile. Never throws: an error here leaves the outcome unknown, and
 * an attempt that began always ends.
 */
export async function deliver(
  taken: readonly TakenJob[],
  options: DeliverOptions & { log: Log },
): Promise<FinishedAttempt[]> {
  const startedAtMs = performance.now();
  try {
    return await sendTogether(taken, options);
  } catch (error) {
    const { log, now } = options;
    log.error({
      event: "delivery_threw",
      meter_event_ids: taken.map((one) => one.attempt.meterEventId),
      error,
    });
    const message = `an error of ours: ${messageOf(error)}`;
    const answer = { kind: "no_answer", reachedStripe: "maybe", code: "threw", message } as const;
    return conclude(taken, { answer, durationMs: performance.now() - startedAtMs, now: now() });
  }
}

async function sendTogether(
  taken: readonly TakenJob[],
  options: DeliverOptions & { log: Log },
): Promise<FinishedAttempt[]> {
  const { transport, eventNames, now, tracer = untraced } = options;
  const spans = startAttemptSpans(tracer, taken);
  const startedAtMs = performance.now();
  const requests = taken.map(({ attempt }) => ({
    eventName: eventNames[attempt.meter],
    customerId: attempt.stripeCustomerId,
    value: attempt.quantity,
    identifier: attempt.meterEventId,
    timestamp: Math.floor(attempt.eventAt.getTime() / 1_000),
    attempt: attempt.attempt,
  }));
  const answer = await sendWithin(tracer, spans, () => transport.send(requests));
  const durationMs = performance.now() - startedAtMs;
  const verdict = verdictOf(answer);
  endAttemptSpans(spans, { verdict, answer });
  return conclude(taken, { answer, durationMs, now: now(), spans });
}

type Ended = { answer: StripeAnswer; durationMs: number; now: Date; spans?: readonly Span[] };

/** The ended attempts of one request, after one answer to them all. */
function conclude(taken: readonly TakenJob[], { answer, durationMs, now, spans }: Ended): FinishedAttempt[] {
  const verdict = verdictOf(answer);
  return taken.map(({ attempt, job, traceparent }, index) => ({
    attempt,
    job,
    traceparent: spans?.[index]?.traceparent ?? traceparent,
    durationMs,
    answer,
    verdict,
    outcome: outcomeOf(verdict, { firstUnknownAt: attempt.firstUnknownAt, now }),
  }));
}
