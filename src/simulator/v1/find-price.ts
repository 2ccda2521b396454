import type { Answer } from "../request/answer.ts";
import { invalidParameter, resourceMissing } from "../request/errors.ts";
import type { Simulation } from "../state.ts";
import type { Price, RecurringPrice } from "./price.ts";

/** The price of a new item: it has to be active, of an active product, and recurring (certain; wording less so). */
export function findPrice(
  state: Simulation,
  id: string,
  param: string,
): { price: RecurringPrice } | { refusal: Answer } {
  const price = state.prices.get(id);
  if (price === undefined) return { refusal: resourceMissing("price", id, param) };
  if (!price.active) {
    const message = "The price specified is inactive. This field only accepts active prices.";
    return { refusal: invalidParameter(message, param) };
  }
  if (state.products.get(price.product)?.active !== true) {
    const message = `Price \`${id}\` is not available to be purchased because its product is not active.`;
    return { refusal: invalidParameter(message, param) };
  }
  if (!isRecurring(price)) {
    const message =
      "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`.";
    return { refusal: invalidParameter(message, param) };
  }
  return { price };
}

function isRecurring(price: Price): price is RecurringPrice {
  return price.recurring !== null;
}
