import type { RecurringPrice } from "./price.ts";
import type { SubscriptionItem } from "./subscription-item.ts";
import type { Answer } from "../request/answer.ts";
import { invalidParameter, missingParameter, resourceMissing } from "../request/errors.ts";
import { booleanField, mapField, textField, type Form } from "../request/form.ts";
import type { Simulation } from "../state.ts";
import { findPrice } from "./find-price.ts";

export type Items = { items: SubscriptionItem[] } | { refusal: Answer };

/** docs.stripe.com/billing/subscriptions/multiple-products, certain. */
const itemsMax = 20;

/**
 * A subscription's items after `items[…]` of a request: an entry with an `id` changes or deletes that item, one without
 * adds a price.
 */
export function readItems(state: Simulation, form: Form, before: readonly SubscriptionItem[]): Items {
  let items = [...before];
  for (const [index, entry] of Object.entries(mapField(form, "items") ?? {})) {
    if (typeof entry === "string") return refused(invalidParameter("Invalid array", "items"));
    const changed = changeItems(state, { entry, param: `items[${index}]` }, items);
    if ("refusal" in changed) return changed;
    items = changed.items;
  }
  return judgeItems(items);
}

/** Whether these can be the items of one subscription. */
export function judgeItems(items: SubscriptionItem[]): Items {
  if (items.length === 0) return refused(missingParameter("items"));
  if (items.length > itemsMax) {
    return refused(invalidParameter(`Subscriptions can have ${itemsMax} items at most.`, "items"));
  }
  const prices = items.map(({ price }) => price);
  if (new Set(prices.map(({ id }) => id)).size < prices.length) {
    const message = "Cannot add multiple subscription items with the same plan.";
    return refused(invalidParameter(message, "items"));
  }
  // Items of several intervals are a newer option of Stripe's; here they have one period together.
  const rhythms = new Set(
    prices.map(({ currency, recurring }) => JSON.stringify([currency, recurring.interval])),
  );
  if (rhythms.size > 1) {
    const message = "Currency and interval fields must match across all plans on this subscription.";
    return refused(invalidParameter(message, "items"));
  }
  return { items };
}

type Entry = { entry: Form; param: string };

function changeItems(state: Simulation, { entry, param }: Entry, items: SubscriptionItem[]): Items {
  const id = textField(entry, "id");
  const known = items.find((item) => item.id === id);
  if (id !== undefined && known === undefined) {
    return refused(resourceMissing("subscription item", id, `${param}[id]`));
  }
  if (booleanField(entry, "deleted") === true) {
    return { items: items.filter((item) => item !== known) };
  }
  const priceId = textField(entry, "price");
  if (priceId === undefined && known === undefined) return refused(missingParameter(`${param}[price]`));
  const found =
    priceId === undefined || known?.price.id === priceId
      ? undefined
      : findPrice(state, priceId, `${param}[price]`);
  if (found !== undefined && "refusal" in found) return found;
  const price = found?.price ?? known?.price;
  if (price === undefined) return refused(missingParameter(`${param}[price]`));
  const quantity = readQuantity(textField(entry, "quantity"), price, known?.quantity ?? 1);
  if (quantity === "invalid") return refused(badQuantity(price, `${param}[quantity]`));
  const item = { id: known?.id ?? state.nextId("si"), price, quantity };
  return { items: known === undefined ? [...items, item] : items.map((one) => (one === known ? item : one)) };
}

function readQuantity(
  text: string | undefined,
  { recurring }: RecurringPrice,
  usual: number,
): number | null | "invalid" {
  if (recurring.usageType === "metered") return text === undefined ? null : "invalid";
  if (text === undefined) return usual;
  return /^\d{1,9}$/.test(text) ? Number(text) : "invalid";
}

/** A metered price takes no quantity: its meter counts (certain; wording less so). */
function badQuantity({ recurring }: RecurringPrice, param: string): Answer {
  return recurring.usageType === "metered"
    ? invalidParameter("You cannot set the quantity for metered plans.", param)
    : invalidParameter("Invalid integer", param);
}

function refused(refusal: Answer): { refusal: Answer } {
  return { refusal };
}
