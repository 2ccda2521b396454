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

export type SendMeterEvent = (request: MeterEventRequest) => Promise<StripeAnswer>;

/** Sends v1 meter events (docs.stripe.com/api/billing/meter-event/create). Never throws for what Stripe says. */
export function createSendMeterEvent(stripe: Stripe): SendMeterEvent {
  return async (request) => {
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
  };
}
