import { causeOf, emit, emitUpdate, type Cause } from "../events/emit.ts";
import { ok, type Answer } from "../request/answer.ts";
import { invalidParameter, missingParameter, resourceMissing } from "../request/errors.ts";
import { booleanField, mapField, textField, type Form } from "../request/form.ts";
import { listPage } from "../request/list.ts";
import { readMetadata } from "../request/metadata.ts";
import type { Route, StripeRequest } from "../request/route.ts";
import type { Simulation } from "../state.ts";
import { priceObject, type Price } from "./price.ts";
import { addProduct } from "./products.ts";
import { readPriceTerms } from "./read-price.ts";

const pricesPath = "/v1/prices";

/** docs.stripe.com/api/prices, certain: no delete, and neither amount nor meter ever changes. Tiers are not modelled. */
export const priceRoutes: Route[] = [
  { method: "POST", path: pricesPath, api: "v1", execute: createPrice },
  { method: "GET", path: pricesPath, api: "v1", execute: listPrices },
  { method: "GET", path: `${pricesPath}/:id`, api: "v1", execute: retrievePrice },
  { method: "POST", path: `${pricesPath}/:id`, api: "v1", execute: updatePrice },
];

const immutable = ["currency", "unit_amount", "unit_amount_decimal", "recurring", "product"];

type NewPrice = Omit<Price, "id" | "createdAt"> & { cause: Cause };

/** Adds a price and tells of it. */
export function addPrice(state: Simulation, { cause, ...fields }: NewPrice): Price {
  const price: Price = { id: state.nextId("price"), createdAt: state.clock.nowSeconds(), ...fields };
  state.prices.set(price.id, price);
  emit(state, { type: "price.created", object: priceObject(price), livemode: price.livemode, cause });
  return price;
}

/** The product that a form names, or that it describes by `product_data`. */
export function productOf(state: Simulation, form: Form, request: StripeRequest): string | Answer {
  const named = textField(form, "product");
  const name = textField(mapField(form, "product_data") ?? {}, "name");
  if (named !== undefined && name !== undefined) {
    return invalidParameter("You may only specify one of these parameters: product, product_data.");
  }
  if (named !== undefined) {
    return state.products.has(named) ? named : resourceMissing("product", named, "product");
  }
  if (name === undefined || name === "") return missingParameter("product");
  return addProduct(state, { name, livemode: request.livemode, metadata: {}, cause: causeOf(request) }).id;
}

function createPrice(state: Simulation, request: StripeRequest): Answer {
  const { form, livemode } = request;
  const terms = readPriceTerms(state, form);
  if (!terms.isGood) return terms.answer;
  const lookupKey = textField(form, "lookup_key") ?? null;
  const transfer = booleanField(form, "transfer_lookup_key") ?? false;
  if (lookupKey !== null && !transfer && isTaken(state, lookupKey)) return keyTaken(lookupKey);
  const product = productOf(state, form, request);
  if (typeof product !== "string") return product;
  releaseKey(state, lookupKey);
  const price = addPrice(state, {
    ...terms.value,
    product,
    active: booleanField(form, "active") ?? true,
    nickname: textField(form, "nickname") ?? null,
    lookupKey,
    livemode,
    metadata: readMetadata(form, {}),
    cause: causeOf(request),
  });
  return ok(priceObject(price));
}

function listPrices(state: Simulation, { form }: StripeRequest): Answer {
  const active = booleanField(form, "active");
  const product = textField(form, "product");
  const meter = textField(mapField(form, "recurring") ?? {}, "meter");
  const keys = Object.values(mapField(form, "lookup_keys") ?? {});
  const prices = [...state.prices.values()].filter(
    (price) =>
      (active === undefined || price.active === active) &&
      (product === undefined || price.product === product) &&
      (meter === undefined || price.recurring?.meter === meter) &&
      (keys.length === 0 || (price.lookupKey !== null && keys.includes(price.lookupKey))),
  );
  return listPage(prices.toReversed().map(priceObject), form, pricesPath);
}

function retrievePrice(state: Simulation, { id }: StripeRequest): Answer {
  const price = state.prices.get(id);
  return price === undefined ? resourceMissing("price", id) : ok(priceObject(price));
}

function updatePrice(state: Simulation, request: StripeRequest): Answer {
  const { id, form, livemode } = request;
  const price = state.prices.get(id);
  if (price === undefined) return resourceMissing("price", id);
  const fixed = immutable.find((name) => name in form);
  if (fixed !== undefined) return invalidParameter(`Received unknown parameter: ${fixed}`, fixed);
  const lookupKey = textField(form, "lookup_key") ?? price.lookupKey;
  const isNew = lookupKey !== null && lookupKey !== price.lookupKey;
  if (isNew && booleanField(form, "transfer_lookup_key") !== true && isTaken(state, lookupKey)) {
    return keyTaken(lookupKey);
  }
  const before = priceObject(price);
  if (isNew) releaseKey(state, lookupKey);
  Object.assign(price, {
    active: booleanField(form, "active") ?? price.active,
    nickname: textField(form, "nickname") ?? price.nickname,
    lookupKey,
    metadata: readMetadata(form, price.metadata),
  });
  const object = priceObject(price);
  emitUpdate(state, { type: "price.updated", object, before, livemode, cause: causeOf(request) });
  return ok(object);
}

function isTaken(state: Simulation, lookupKey: string): boolean {
  return [...state.prices.values()].some((price) => price.lookupKey === lookupKey);
}

/** `transfer_lookup_key` takes the key from the price that had it (certain). */
function releaseKey(state: Simulation, lookupKey: string | null): void {
  for (const price of state.prices.values()) {
    if (lookupKey !== null && price.lookupKey === lookupKey) price.lookupKey = null;
  }
}

function keyTaken(lookupKey: string): Answer {
  return invalidParameter(`A price already uses the lookup key '${lookupKey}'.`, "lookup_key");
}
