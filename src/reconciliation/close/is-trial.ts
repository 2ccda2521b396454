import type { StripeReads } from "../../stripe/reads.ts";
import type { BillingPeriod } from "./billing-periods.ts";

/**
 * Whether a period is a trial, as Stripe tells of its subscription: usage in it is free, so that no invoice has it
 * (docs.stripe.com/billing/subscriptions/trials).
 */
export async function readIsTrial(
  { reads }: { reads: Pick<StripeReads, "readSubscriptions"> },
  { customer, subscriptionId, start, end }: BillingPeriod,
): Promise<boolean> {
  const subscriptions = (await reads.readSubscriptions(customer)) ?? [];
  return subscriptions.some(
    ({ id, trial }) =>
      (subscriptionId === null || id === subscriptionId) &&
      trial !== null &&
      trial.start <= start &&
      trial.end >= end,
  );
}
