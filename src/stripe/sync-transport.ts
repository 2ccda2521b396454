import type { StripeAnswer } from "./answer.ts";
import type { StripeOptions } from "./client.ts";
import { ForeignAnswer } from "./foreign-answer.ts";
import { createFormPost, type FormPost } from "./form-post.ts";
import { createStripeClock, isTooEarly } from "./stripe-clock.ts";

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
export function createSyncTransport(options: StripeOptions): Transport {
  const clock = options.clock ?? createStripeClock(Date.now);
  const post = createFormPost({ ...options, clock }, "/v1/billing/meter_events");
  return {
    eventsPerRequestMax: 1,
    async send([request]) {
      if (request === undefined) throw new Error("no meter event to send");
      const answer = await sendOne(post, request);
      // The answer itself told Stripe's time.
      return answer.kind === "error" && isTooEarly(request, clock) ? { ...answer, isTooEarly: true } : answer;
    },
  };
}

async function sendOne(post: FormPost, request: MeterEventRequest): Promise<StripeAnswer> {
  const { answer, body } = await post(
    {
      event_name: request.eventName,
      "payload[stripe_customer_id]": request.customerId,
      "payload[value]": request.value,
      identifier: request.identifier,
      timestamp: String(request.timestamp),
    },
    `${request.identifier}:a${request.attempt}`,
  );
  if (answer.kind === "success" && body["identifier"] !== request.identifier)
    return ofAnother(answer.httpStatus);
  return withoutForeignDuplicate(answer, request.identifier);
}

const namesDuplicate = /already exists with identifier \S/i;

/** A cache, or a mix-up on the way, may give us Stripe's answer about another event. */
function ofAnother(httpStatus: number): StripeAnswer {
  const { message } = new ForeignAnswer(httpStatus, "it is about another meter event");
  return { kind: "foreign", httpStatus, message };
}

/** Stripe names the identifier at the end; of other words around it, as quotes, it is still ours. */
function withoutForeignDuplicate(answer: StripeAnswer, identifier: string): StripeAnswer {
  if (answer.kind !== "error" || !namesDuplicate.test(answer.message)) return answer;
  return answer.message.split(/[^\w-]+/).includes(identifier) ? answer : ofAnother(answer.httpStatus);
}
