import Stripe from "stripe";

/** An answer that is not Stripe's own: whatever its status is, it is no verdict on the request. */
export class ForeignAnswer extends Error {
  override readonly name = "ForeignAnswer";
  readonly httpStatus: number;

  /** `what` tells what was wrong with the answer, in our own words: the answer's text may hold anything. */
  constructor(httpStatus: number, what: string) {
    super(`HTTP ${httpStatus} is no answer of Stripe's: ${what}`);
    this.httpStatus = httpStatus;
  }
}

/** The foreign answer that the SDK hands on as the detail of its own error. */
export function foreignAnswerOf(error: unknown): ForeignAnswer | undefined {
  if (error instanceof ForeignAnswer) return error;
  return error instanceof Stripe.errors.StripeError && error.detail !== undefined
    ? foreignAnswerOf(error.detail)
    : undefined;
}
