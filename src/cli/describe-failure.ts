import { isAnswerOfServer, isDatabaseUnavailable } from "../database/database-unavailable.ts";
import { describeStripeError } from "../stripe/describe-stripe-error.ts";

/** Why a command failed, in one line for people: no stack, no secret. */
export function describeFailure(error: unknown): string {
  const ofStripe = describeStripeError(error);
  if (ofStripe !== undefined) return ofStripe;
  const { code, message } = summaryOf(error);
  // A server that answers is reached, whatever it refuses: a standby, a full disk, a lock.
  if (isAnswerOfServer(error) || !isDatabaseUnavailable(error)) return message;
  return `the database cannot be reached (${message === "" ? code : message}): check DATABASE_URL`;
}

// Node's error for a host with several addresses has a code and no message.
function summaryOf(error: unknown): { code: string; message: string } {
  if (!(error instanceof Error)) return { code: "", message: String(error) };
  const code = "code" in error && typeof error.code === "string" ? error.code : error.name;
  return { code, message: error.message };
}
