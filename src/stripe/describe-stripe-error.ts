import Stripe from "stripe";
import { answerOfError } from "./answer.ts";

/**
 * What went wrong between us and Stripe, in one phrase without keys; undefined for an error that has another source.
 */
export function describeStripeError(error: unknown): string | undefined {
  if (!(error instanceof Stripe.errors.StripeError)) return undefined;
  const answer = answerOfError(error);
  switch (answer.kind) {
    case "error":
      return `Stripe answered ${answer.httpStatus}: ${answer.message}`;
    case "no_answer":
      return `Stripe gave no answer: ${answer.code ?? answer.message}`;
    case "foreign":
      return answer.message;
    case "success":
      return undefined;
  }
}

/** Whether Stripe refused because a restricted key lacks the permission. */
export function isPermissionMissing(error: unknown): boolean {
  return error instanceof Stripe.errors.StripeError && error.statusCode === 403;
}
