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

/** `insufficient_privilege` of Postgres. */
const notAllowedCode = "42501";

/** Runs a check on the database. A missing right is a finding, in Postgres's words, which name the right. */
export async function findInDatabase(
  check: string,
  look: () => Promise<Finding | Finding[]>,
): Promise<Finding[]> {
  try {
    return [await look()].flat();
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error) || error.code !== notAllowedCode) throw error;
    return [unchecked(check, `${error.message}: "rights" says more`)];
  }
}

/** Runs a check at Stripe. A Stripe that does not answer, or refuses, is a finding too. */
export async function findAtStripe(check: string, look: () => Promise<Finding>): Promise<Finding> {
  try {
    return await look();
  } catch (error) {
    const reason = describeStripeError(error);
    if (reason === undefined) throw error;
    return problem(check, reason, "run doctor again; see what the key may read if it stays");
  }
}
