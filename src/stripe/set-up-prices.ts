import Stripe from "stripe";

/** Stripe makes a product of this id once, however often it is asked. */
const productId = "meter_outbox";

export type WantedPrice = {
  meterId: string;
  nickname: string;
  currency: string;
  unitAmount: string | undefined;
};

type PriceSetUp<Wanted> = { wanted: Wanted; priceId: string; action: "created" | "unchanged" };

export type PricesSetUp<Wanted> =
  | { kind: "ready"; prices: PriceSetUp<Wanted>[] }
  | { kind: "amount_missing"; wanted: Wanted };

/**
 * Makes sure that each meter has an active metered price. Any existing one will do; otherwise one is made, with one
 * product for all. No price is made where an amount is missing. Safe to repeat. Throws the SDK's error.
 */
export async function setUpPrices<Wanted extends WantedPrice>(
  stripe: Stripe,
  wanted: readonly Wanted[],
): Promise<PricesSetUp<Wanted>> {
  const found = new Map<Wanted, string>();
  for (const one of wanted) {
    const { data } = await stripe.prices.list({
      active: true,
      recurring: { meter: one.meterId },
      limit: 1,
    });
    if (data[0] !== undefined) found.set(one, data[0].id);
  }
  const unpriced = wanted.find((one) => !found.has(one) && one.unitAmount === undefined);
  if (unpriced !== undefined) return { kind: "amount_missing", wanted: unpriced };
  if (found.size < wanted.length) await ensureProduct(stripe);
  const prices: PriceSetUp<Wanted>[] = [];
  for (const one of wanted) {
    const priceId = found.get(one);
    prices.push(
      priceId === undefined
        ? { wanted: one, priceId: await createPrice(stripe, one), action: "created" }
        : { wanted: one, priceId, action: "unchanged" },
    );
  }
  return { kind: "ready", prices };
}

async function createPrice(stripe: Stripe, { meterId, nickname, currency, unitAmount }: WantedPrice) {
  const { id } = await stripe.prices.create({
    product: productId,
    nickname,
    currency,
    unit_amount_decimal: Stripe.Decimal.from(unitAmount ?? "0"),
    recurring: { interval: "month", usage_type: "metered", meter: meterId },
  });
  return id;
}

async function ensureProduct(stripe: Stripe): Promise<void> {
  try {
    const { active } = await stripe.products.retrieve(productId);
    if (!active) await stripe.products.update(productId, { active: true });
  } catch (error) {
    if (!(error instanceof Stripe.errors.StripeError) || error.code !== "resource_missing") throw error;
    await stripe.products.create({ id: productId, name: "Temperature monitoring" });
  }
}
