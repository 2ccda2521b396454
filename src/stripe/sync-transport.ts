import type Stripe from "stripe";
import { z } from "zod";
import { answerOfError, type StripeAnswer, successOf } from "./answer.ts";
import { ForeignAnswer } from "./foreign-answer.ts";
import { createStripeClock, isTooEarly, type StripeClock } from "./stripe-clock.ts";

/** One attempt at one meter event, in Stripe's terms. */
export type MeterEventRequest = {
  eventName: string;
  customerId: string;
  /** Plain decimal digits, exactly as stored. */
  value: string;
  /** Stripe finds duplicates by it; it is the same for every attempt. */
  identifier: string;
  /** Unix seconds. */
  timestamp: number;
  /** From 1; makes the request's Idempotency-Key, since Stripe replays a stored 500 for a repeated key. */
  attempt: number;
};

/**
 * A way to Stripe. `send` takes 1 to `eventsPerRequestMax` events, and returns Stripe's refusals instead of throwing
 * them.
 */
export type Transport = {
  eventsPerRequestMax: number;
  send: (requests: readonly MeterEventRequest[]) => Promise<StripeAnswer>;
};

/** One v1 meter event a request, validated before it is answered (docs.stripe.com/api/billing/meter-event/create). */
export function createSyncTransport(
  stripe: Stripe,
  clock: StripeClock = createStripeClock(Date.now),
): Transport {
  return {
    eventsPerRequestMax: 1,
    async send([request]) {
      if (request === undefined) throw new Error("no meter event to send");
      const answer = await sendOne(stripe, request);
      // The answer itself told Stripe's time.
      return answer.kind === "error" && isTooEarly(request, clock) ? { ...answer, isTooEarly: true } : answer;
    },
  };
}

const acceptedSchema = z.object({ identifier: z.unknown().optional() });

// Not by `stripe.billing.meterEvents.create`: the SDK's methods build a stack trace before every call, a fifth of the
// time that they cost a worker. Its raw request does the same without it.
async function sendOne(stripe: Stripe, request: MeterEventRequest): Promise<StripeAnswer> {
  try {
    const meterEvent: Stripe.Billing.MeterEventCreateParams = {
      event_name: request.eventName,
      payload: { stripe_customer_id: request.customerId, value: request.value },
      identifier: request.identifier,
      timestamp: request.timestamp,
    };
    const options = { idempotencyKey: `${request.identifier}:a${request.attempt}` };
    const answer: unknown = await stripe.rawRequest("POST", "/v1/billing/meter_events", meterEvent, options);
    const success = successOf(answer);
    const { identifier } = acceptedSchema.parse(answer);
    return identifier === request.identifier ? success : ofAnother(success.httpStatus);
  } catch (error) {
    return withoutForeignDuplicate(answerOfError(error), request.identifier);
  }
}

/** A cache, or a mix-up on the way, may give us Stripe's answer about another event. */
function ofAnother(httpStatus: number): StripeAnswer {
  const { message } = new ForeignAnswer(httpStatus, "it is about another meter event");
  return { kind: "foreign", httpStatus, message };
}

function withoutForeignDuplicate(answer: StripeAnswer, identifier: string): StripeAnswer {
  if (answer.kind !== "error") return answer;
  const [, named] = /already exists with identifier (\S+?)\.?(?:\s|$)/i.exec(answer.message) ?? [];
  return named === undefined || named === identifier ? answer : ofAnother(answer.httpStatus);
}
