import { problemOf } from "../http/failure.ts";
import { overloaded } from "../http/overloaded.ts";
import { Problem } from "../http/problem.ts";
import { OutcomeUnknown } from "../intake/outcome-unknown.ts";
import { Overloaded } from "../intake/overloaded.ts";

const retryAfterSeconds = 2;

/** The problem document for an error: the road's own failures get their status here. */
export function apiProblemOf(error: unknown): Problem {
  if (error instanceof Overloaded) {
    return overloaded(
      "More readings are waiting to be stored than this process takes. Send the same readings again.",
    );
  }
  if (error instanceof OutcomeUnknown) {
    const detail =
      "The database went away before it answered. Send the same readings again: nothing is billed twice.";
    const headers = { "retry-after": String(retryAfterSeconds) };
    return new Problem({ status: 503, code: "outcome_unknown", detail, headers }, { cause: error.cause });
  }
  return problemOf(error);
}
