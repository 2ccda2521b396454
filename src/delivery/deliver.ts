import type { Transport } from "../stripe/sync-transport.ts";
import { type Tracer, untraced } from "../tracing/tracer.ts";
import type { MeterEventNames } from "../usage/meters.ts";
import { endAttemptSpans, sendWithin, startAttemptSpans } from "./attempt-spans.ts";
import { outcomeOf } from "./outcome.ts";
import type { FinishedAttempt } from "./settle.ts";
import type { TakenJob } from "./take-jobs.ts";
import { verdictOf } from "./verdict.ts";

/** Ends attempts that were begun and then not made; each is recorded as such and costs its event nothing. */
export function holdBack(taken: readonly TakenJob[]): FinishedAttempt[] {
  return taken.map(({ attempt, job, traceparent }) => ({
    attempt,
    job,
    traceparent,
    durationMs: 0,
    answer: { kind: "no_answer", reachedStripe: "no", code: "held_back", message: "no request was made" },
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
 * Makes one attempt at each of these events, in one request: sends them as they were sealed and judges what came back,
 * which holds for each. No transaction is open meanwhile.
 */
export async function deliver(
  taken: readonly TakenJob[],
  options: DeliverOptions,
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
  if (verdict.kind === "rejected" && taken.length > 1) {
    // One of them spoilt the request; each alone shows which.
    const alone = await Promise.all(taken.map((one) => deliver([one], options)));
    return alone.flat();
  }
  return taken.map(({ attempt, job }, index) => {
    const outcome = outcomeOf(verdict, { firstUnknownAt: attempt.firstUnknownAt, now: now() });
    return { attempt, job, traceparent: spans[index]?.traceparent, durationMs, answer, verdict, outcome };
  });
}
