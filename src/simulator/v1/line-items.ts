import { causeOf } from "../events/emit.ts";
import { invalidParameter, missingParameter } from "../request/errors.ts";
import { mapField, textField, type Form } from "../request/form.ts";
import type { StripeRequest } from "../request/route.ts";
import type { Simulation } from "../state.ts";
import { findPrice } from "./find-price.ts";
import { addPrice, productOf } from "./prices.ts";
import { readPriceTerms } from "./read-price.ts";
import { judgeItems, type Items } from "./subscription-items.ts";
import type { SubscriptionItem } from "./subscription-item.ts";

/**
 * Reads `line_items[…]` of a Checkout session or Payment Link of mode `subscription`, by `price` or `price_data`.
 * A metered price takes no quantity and a licensed one needs it (certain; wording less so).
 */
export function readLineItems(state: Simulation, request: StripeRequest): Items {
  const items: SubscriptionItem[] = [];
  for (const [index, line] of Object.entries(mapField(request.form, "line_items") ?? {})) {
    if (typeof line === "string") return { refusal: invalidParameter("Invalid array", "line_items") };
    const read = readLine(state, request, { line, index });
    if ("refusal" in read) return read;
    items.push(...read.items);
  }
  return items.length === 0 ? { refusal: missingParameter("line_items") } : judgeItems(items);
}

type Line = { line: Form; index: string };

function readLine(state: Simulation, request: StripeRequest, { line, index }: Line): Items {
  const param = `line_items[${index}]`;
  const priceId = textField(line, "price") ?? inlinePrice(state, request, line);
  if (typeof priceId !== "string") return priceId;
  const found = findPrice(state, priceId, `${param}[price]`);
  if ("refusal" in found) return found;
  const { price } = found;
  const quantity = textField(line, "quantity");
  if (price.recurring.usageType === "metered") {
    const message =
      "Quantity should not be specified where usage_type is `metered`. " +
      `Remove \`quantity\` from \`${param}\``;
    if (quantity !== undefined) return { refusal: invalidParameter(message, `${param}[quantity]`) };
    return { items: [{ id: state.nextId("si"), price, quantity: null }] };
  }
  if (quantity === undefined || !/^[1-9]\d{0,8}$/.test(quantity)) {
    const message = `Quantity is required. Add \`quantity\` to \`${param}\``;
    return { refusal: invalidParameter(message, `${param}[quantity]`) };
  }
  return { items: [{ id: state.nextId("si"), price, quantity: Number(quantity) }] };
}

/** A price for this one purchase (`price_data`), which no meter can back (SDK typings, certain). */
function inlinePrice(state: Simulation, request: StripeRequest, line: Form) {
  const described = mapField(line, "price_data");
  if (described === undefined) return { refusal: missingParameter("line_items[price]") };
  const terms = readPriceTerms(state, described);
  if (!terms.isGood) return { refusal: terms.answer };
  const product = productOf(state, described, request);
  if (typeof product !== "string") return { refusal: product };
  return addPrice(state, {
    ...terms.value,
    product,
    active: true,
    nickname: null,
    lookupKey: null,
    livemode: request.livemode,
    metadata: {},
    cause: causeOf(request),
  }).id;
}
