import type { Transport } from "../stripe/sync-transport.ts";
import type { MeterEventNames } from "../usage/meters.ts";
import { outcomeOf } from "./outcome.ts";
import type { FinishedAttempt } from "./settle.ts";
import type { TakenJob } from "./take-jobs.ts";
import { verdictOf } from "./verdict.ts";

/** Ends attempts that were begun and then not made; each is recorded as such and costs its event nothing. */
export function holdBack(taken: readonly TakenJob[]): FinishedAttempt[] {
  return taken.map(({ attempt, job }) => ({
    attempt,
    job,
    durationMs: 0,
    answer: { kind: "no_answer", reachedStripe: "no", code: "held_back", message: "no request was made" },
    verdict: { kind: "retry", reason: "held_back", retryAfterMs: null },
    outcome: { state: "pending", reason: "held_back", again: "at_once" },
  }));
}

export type DeliverOptions = { transport: Transport; eventNames: MeterEventNames; now: () => Date };

/**
 * Makes one attempt at each of these events, in one request: sends them as they were sealed and judges what came back,
 * which holds for each. No transaction is open meanwhile.
 */
export async function deliver(
  taken: readonly TakenJob[],
  { transport, eventNames, now }: DeliverOptions,
): Promise<FinishedAttempt[]> {
  const startedAtMs = performance.now();
  const answer = await transport.send(
    taken.map(({ attempt }) => ({
      eventName: eventNames[attempt.meter],
      customerId: attempt.stripeCustomerId,
      value: attempt.quantity,
      identifier: attempt.meterEventId,
      timestamp: Math.floor(attempt.eventAt.getTime() / 1_000),
      attempt: attempt.attempt,
    })),
  );
  const durationMs = performance.now() - startedAtMs;
  const verdict = verdictOf(answer);
  if (verdict.kind === "rejected" && taken.length > 1) {
    // One of them spoilt the request; each alone shows which.
    const alone = await Promise.all(taken.map((one) => deliver([one], { transport, eventNames, now })));
    return alone.flat();
  }
  return taken.map(({ attempt, job }) => {
    const outcome = outcomeOf(verdict, { firstUnknownAt: attempt.firstUnknownAt, now: now() });
    return { attempt, job, durationMs, answer, verdict, outcome };
  });
}
