import type { Stripe } from "stripe";

/** Makes a monthly price for tests, through Stripe's own API: metered where a meter is named, licensed otherwise. */
export async function makePrice(stripe: Stripe, meter?: string): Promise<string> {
  const { id } = await stripe.prices.create({
    currency: "usd",
    unit_amount: 2,
    product_data: { name: "Temperature monitoring" },
    recurring: { interval: "month", ...(meter === undefined ? {} : { usage_type: "metered", meter }) },
  });
  return id;
}
