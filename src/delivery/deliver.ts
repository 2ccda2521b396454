import type { SendMeterEvent } from "../stripe/send-meter-event.ts";
import type { MeterEventNames } from "../usage/meters.ts";
import type { Attempt } from "./begin-attempts.ts";
import { outcomeOf } from "./outcome.ts";
import type { FinishedAttempt } from "./settle.ts";
import { verdictOf } from "./verdict.ts";

export type DeliverOptions = { send: SendMeterEvent; eventNames: MeterEventNames; now: () => Date };

/** Makes one attempt: sends the event as it was sealed and judges what came back. No transaction is open meanwhile. */
export async function deliver(
  attempt: Attempt,
  job: FinishedAttempt["job"],
  { send, eventNames, now }: DeliverOptions,
): Promise<FinishedAttempt> {
  const startedAtMs = performance.now();
  const answer = await send({
    eventName: eventNames[attempt.meter],
    customerId: attempt.stripeCustomerId,
    value: attempt.quantity,
    identifier: attempt.meterEventId,
    timestamp: Math.floor(attempt.eventAt.getTime() / 1_000),
    attempt: attempt.attempt,
  });
  const verdict = verdictOf(answer);
  const outcome = outcomeOf(verdict, { firstUnknownAt: attempt.firstUnknownAt, now: now() });
  return { attempt, job, durationMs: performance.now() - startedAtMs, answer, verdict, outcome };
}
