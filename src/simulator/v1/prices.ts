import { ok, type Answer } from "../request/answer.ts";
import { invalidParameter, missingParameter, resourceMissing } from "../request/errors.ts";
import { mapField, textField } from "../request/form.ts";
import type { Route, StripeRequest } from "../request/route.ts";
import type { Simulation } from "../state.ts";
import { type Price, priceObject } from "./price.ts";

const PRICES_PATH = "/v1/prices";

/** docs.stripe.com/api/prices, certain; only monthly ones, reduced to what decides which meter they bill. */
export const priceRoutes: Route[] = [
  { method: "POST", path: PRICES_PATH, api: "v1", execute: createPrice },
  { method: "GET", path: `${PRICES_PATH}/:id`, api: "v1", execute: retrievePrice },
];

function createPrice(state: Simulation, { form, livemode }: StripeRequest): Answer {
  const currency = textField(form, "currency") ?? "";
  if (currency === "") return missingParameter("currency");
  const product = textField(form, "product");
  if (product === undefined && mapField(form, "product_data") === undefined)
    return missingParameter("product");
  const recurring = mapField(form, "recurring") ?? {};
  if (textField(recurring, "interval") !== "month") {
    return invalidParameter("The simulator knows monthly prices only.", "recurring[interval]");
  }
  const meter = textField(recurring, "meter") ?? null;
  const isMetered = textField(recurring, "usage_type") === "metered";
  // A metered price without a meter was billed by usage records, which Stripe has removed (2025-03-31.basil, certain).
  if (isMetered !== (meter !== null)) {
    return invalidParameter("A metered price has a meter, and no other has one.", "recurring[meter]");
  }
  if (meter !== null && !state.meters.has(meter))
    return resourceMissing("billing meter", meter, "recurring[meter]");
  const price: Price = {
    id: state.nextId("price"),
    createdAt: state.clock.nowSeconds(),
    livemode,
    currency,
    product: product ?? state.nextId("prod"),
    unitAmountDecimal: textField(form, "unit_amount_decimal") ?? textField(form, "unit_amount") ?? "0",
    meter,
  };
  state.prices.set(price.id, price);
  return ok(priceObject(price));
}

function retrievePrice(state: Simulation, { id }: StripeRequest): Answer {
  const price = state.prices.get(id);
  return price === undefined ? resourceMissing("price", id) : ok(priceObject(price));
}
