import type Stripe from "stripe";

/**
 * The time that Stripe's answers carry, in whole seconds, or undefined when they carry none. Throws the SDK's error:
 * it is the smallest request there is, and shows whether Stripe can be reached and takes the key.
 */
export async function readStripeClock(stripe: Stripe): Promise<Date | undefined> {
  const { lastResponse } = await stripe.billing.meters.list({ limit: 1 });
  const at = new Date(lastResponse.headers["date"] ?? "");
  return Number.isNaN(at.getTime()) ? undefined : at;
}
