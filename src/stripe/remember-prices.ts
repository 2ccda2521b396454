import type Stripe from "stripe";
import { isMissing } from "./answer.ts";

/** Prices of one account; the oldest are forgotten beyond. */
const rememberedMax = 10_000;

/**
 * Tells which meter a price bills; null: none. What a price bills never changes (docs.stripe.com/api/prices/update), so
 * each is read once in the life of a process.
 */
export function rememberPrices(
  stripe: Stripe,
): (price: string | Stripe.Price | null) => Promise<string | null> {
  const meters = new Map<string, string | null>();
  return async (price) => {
    if (price === null) return null;
    if (typeof price !== "string") return price.recurring?.meter ?? null;
    const known = meters.get(price);
    if (known !== undefined) return known;
    const meter = await readMeter(stripe, price);
    const [oldest] = meters.keys();
    if (meters.size >= rememberedMax && oldest !== undefined) meters.delete(oldest);
    meters.set(price, meter);
    return meter;
  };
}

async function readMeter(stripe: Stripe, price: string): Promise<string | null> {
  try {
    return (await stripe.prices.retrieve(price)).recurring?.meter ?? null;
  } catch (error) {
    // A price that was made for one purchase may be gone; no meter backs such a one.
    if (isMissing(error)) return null;
    throw error;
  }
}
