import type Stripe from "stripe";
import { answerOfError, type StripeAnswer } from "./answer.ts";

/** One attempt at one meter event, in Stripe's terms. */
export type MeterEventRequest = {
  eventName: string;
  customerId: string;
  /** Plain decimal digits, exactly as stored. */
  value: string;
  /** What Stripe deduplicates by; the same for every attempt. */
  identifier: string;
  /** Unix seconds. */
  timestamp: number;
  /** From 1; makes the request's Idempotency-Key, since Stripe replays a stored 500 for a repeated one. */
  attempt: number;
};

/** A way to Stripe. `send` takes 1 to `eventsPerRequestMax` events and never throws for what Stripe says of them. */
export type Transport = {
  eventsPerRequestMax: number;
  send: (requests: readonly MeterEventRequest[]) => Promise<StripeAnswer>;
};

/** One v1 meter event a request, validated before it is answered (docs.stripe.com/api/billing/meter-event/create). */
export function createSyncTransport(stripe: Stripe): Transport {
  return { eventsPerRequestMax: 1, send: ([request]) => sendOne(stripe, request) };
}

async function sendOne(stripe: Stripe, request: MeterEventRequest | undefined): Promise<StripeAnswer> {
  if (request === undefined) throw new Error("no meter event to send");
  try {
    const accepted = await stripe.billing.meterEvents.create(
      {
        event_name: request.eventName,
        payload: { stripe_customer_id: request.customerId, value: request.value },
        identifier: request.identifier,
        timestamp: request.timestamp,
      },
      { idempotencyKey: `${request.identifier}:a${request.attempt}` },
    );
    return {
      kind: "success",
      httpStatus: accepted.lastResponse.statusCode,
      requestId: accepted.lastResponse.requestId,
    };
  } catch (error) {
    return answerOfError(error);
  }
}
