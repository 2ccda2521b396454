import { messageOf } from "../process/message-of.ts";
import Stripe from "stripe";
import { answerOfError, isStripesFault } from "./answer.ts";
import { foreignAnswerOf } from "./foreign-answer.ts";

/**
 * What went wrong between us and Stripe, in one phrase without keys; undefined for an error that has another source.
 */
export function describeStripeError(error: unknown): string | undefined {
  const foreign = foreignAnswerOf(error);
  if (foreign !== undefined) return foreign.message;
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

/** Describes an error of Stripe's as `describeStripeError` does, and any other error by its own message. */
export function describeError(error: unknown): string {
  return describeStripeError(error) ?? messageOf(error);
}

/**
 * The words of Stripe's refusal of this one request, as of a read about a customer that it does not know; undefined for an
 * error that concerns every request, or has another source.
 */
export function describeRefusal(error: unknown): string | undefined {
  const isOfAll = isStripesFault(error) || foreignAnswerOf(error) !== undefined;
  return isOfAll ? undefined : describeStripeError(error);
}

/** Whether Stripe refused because a restricted key lacks the permission. */
export function isPermissionMissing(error: unknown): boolean {
  return error instanceof Stripe.errors.StripeError && error.statusCode === 403;
}
