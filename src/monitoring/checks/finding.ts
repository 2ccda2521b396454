import { isDatabaseUnavailable, isNodeAway } from "../../database/database-unavailable.ts";
import { describeStripeError } from "../../stripe/describe-stripe-error.ts";

/** What was found about one thing, as doctor and the console's start page tell it. */
export type Finding = { check: string } & (
  | { state: "ok"; detail: string }
  | { state: "problem"; detail: string; remedy: string }
  /** It could not be looked at, for the reason given. */
  | { state: "unchecked"; detail: string }
);

export function ok(check: string, detail: string): Finding {
  return { check, state: "ok", detail };
}

export function problem(check: string, detail: string, remedy: string): Finding {
  return { check, state: "problem", detail, remedy };
}

export function unchecked(check: string, detail: string): Finding {
  return { check, state: "unchecked", detail };
}

/** Of what needs a node of a cluster that is away. */
export function uncheckedForNode(check: string): Finding {
  return unchecked(check, 'a node does not answer: "nodes" says more');
}

/** `insufficient_privilege` of Postgres. */
const notAllowedCode = "42501";
/** A condition of Postgres, such as `55P03`; the driver's own errors, of a lost connection, have other codes or none. */
const conditionPattern = /^[\dA-Z]{5}$/;

/**
 * Runs a check on the database. That it cannot read is a finding, in Postgres's words, and keeps no other check from telling
 * what it sees. Of a cluster whose node is away, "nodes" names the node.
 */
export async function findInDatabase(
  check: string,
  look: () => Promise<Finding | Finding[]>,
): Promise<Finding[]> {
  try {
    return [await look()].flat();
  } catch (error) {
    return [findingOf(check, error)];
  }
}

/** Runs a check at Stripe. A Stripe that does not answer, or refuses, is a finding too. */
export async function findAtStripe(check: string, look: () => Promise<Finding>): Promise<Finding> {
  try {
    return await look();
  } catch (error) {
    const reason = describeStripeError(error);
    if (reason === undefined) return findingOf(check, error);
    return problem(check, reason, "run doctor again; see what the key may read if it stays");
  }
}

/** What is thrown by no database is a fault of ours, and no finding. */
function findingOf(check: string, error: unknown): Finding {
  if (isNodeAway(error)) return uncheckedForNode(check);
  if (!(error instanceof Error)) throw error;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (code === notAllowedCode) return unchecked(check, `${error.message}: "rights" says more`);
  if (!conditionPattern.test(code) && !isDatabaseUnavailable(error)) throw error;
  return problem(
    check,
    `it could not be looked at: ${error.message || code}`,
    "see docs/metrics.md#meteroutboxmeasurementsfailing: a lock, a statement that takes too long, or a broken connection",
  );
}
