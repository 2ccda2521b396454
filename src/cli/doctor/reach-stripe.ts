import type Stripe from "stripe";
import { describeStripeError } from "../../stripe/describe-stripe-error.ts";
import { readStripeClock } from "../../stripe/stripe-clock.ts";
import { readAheadMs } from "./clock-offset.ts";
import { ok, problem } from "../../monitoring/checks/finding.ts";
import type { Reached } from "./reach-database.ts";

const check = "stripe";

/** Makes the smallest request to Stripe: does it answer, does it take the key, and what is its time. */
export async function reachStripe(
  { stripe, now }: { stripe: Stripe | undefined; now: () => Date },
  { apiBase }: { apiBase: string },
): Promise<Reached> {
  if (stripe === undefined) {
    const finding = problem(check, "STRIPE_SECRET_KEY is not set", "set it as the worker has it");
    return { finding, aheadMs: undefined };
  }
  try {
    const aheadMs = await readAheadMs(() => readStripeClock(stripe), now);
    return { finding: ok(check, `${apiBase} answers and takes the key`), aheadMs };
  } catch (error) {
    const reason = describeStripeError(error);
    if (reason === undefined) throw error;
    const remedy = `see that this machine may reach ${apiBase}, and that STRIPE_SECRET_KEY is in force`;
    return { finding: problem(check, reason, remedy), aheadMs: undefined };
  }
}
