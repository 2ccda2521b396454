import { causeOf, emit, emitUpdate, type Cause } from "../events/emit.ts";
import { ok, type Answer } from "../request/answer.ts";
import { invalidParameter, missingParameter, resourceMissing } from "../request/errors.ts";
import { booleanField, textField } from "../request/form.ts";
import { listPage } from "../request/list.ts";
import { readMetadata } from "../request/metadata.ts";
import type { Route, StripeRequest } from "../request/route.ts";
import type { Simulation } from "../state.ts";
import { productObject, type Product } from "./product.ts";

const productsPath = "/v1/products";

/** docs.stripe.com/api/products, certain; a product with prices cannot be deleted, only made inactive (certain). */
export const productRoutes: Route[] = [
  { method: "POST", path: productsPath, api: "v1", execute: createProduct },
  { method: "GET", path: productsPath, api: "v1", execute: listProducts },
  { method: "GET", path: `${productsPath}/:id`, api: "v1", execute: retrieveProduct },
  { method: "POST", path: `${productsPath}/:id`, api: "v1", execute: updateProduct },
  { method: "DELETE", path: `${productsPath}/:id`, api: "v1", execute: deleteProduct },
];

type NewProduct = Pick<Product, "name" | "livemode" | "metadata"> & { id?: string; cause: Cause };

/** Adds a product and tells of it. */
export function addProduct(state: Simulation, { id, cause, ...fields }: NewProduct): Product {
  const now = state.clock.nowSeconds();
  const product = { id: id ?? state.nextId("prod"), active: true, createdAt: now, updatedAt: now, ...fields };
  state.products.set(product.id, product);
  emit(state, {
    type: "product.created",
    object: productObject(product),
    livemode: product.livemode,
    cause,
  });
  return product;
}

function createProduct(state: Simulation, request: StripeRequest): Answer {
  const { form, livemode } = request;
  const name = textField(form, "name") ?? "";
  if (name === "") return missingParameter("name");
  // An id of the caller's own choice is allowed for products (certain).
  const id = textField(form, "id");
  if (id !== undefined && state.products.has(id)) {
    return invalidParameter("Product already exists.", "id");
  }
  const product = addProduct(state, {
    ...(id === undefined ? {} : { id }),
    name,
    livemode,
    metadata: readMetadata(form, {}),
    cause: causeOf(request),
  });
  return ok(productObject(product));
}

function listProducts(state: Simulation, { form }: StripeRequest): Answer {
  const active = booleanField(form, "active");
  const products = [...state.products.values()].filter(
    (product) => active === undefined || product.active === active,
  );
  return listPage(products.toReversed().map(productObject), form, productsPath);
}

function retrieveProduct(state: Simulation, { id }: StripeRequest): Answer {
  const product = state.products.get(id);
  return product === undefined ? resourceMissing("product", id) : ok(productObject(product));
}

function updateProduct(state: Simulation, request: StripeRequest): Answer {
  const { id, form, livemode } = request;
  const product = state.products.get(id);
  if (product === undefined) return resourceMissing("product", id);
  const name = textField(form, "name");
  if (name === "") return invalidParameter("You passed an empty string for 'name'.", "name");
  const before = productObject(product);
  Object.assign(product, {
    name: name ?? product.name,
    active: booleanField(form, "active") ?? product.active,
    metadata: readMetadata(form, product.metadata),
    updatedAt: state.clock.nowSeconds(),
  });
  const object = productObject(product);
  emitUpdate(state, { type: "product.updated", object, before, livemode, cause: causeOf(request) });
  return ok(object);
}

function deleteProduct(state: Simulation, request: StripeRequest): Answer {
  const { id, livemode } = request;
  const product = state.products.get(id);
  if (product === undefined) return resourceMissing("product", id);
  if ([...state.prices.values()].some((price) => price.product === id)) {
    return invalidParameter(
      "This product cannot be deleted because it has one or more user-created prices.",
      "id",
    );
  }
  state.products.delete(id);
  const object = productObject(product);
  emit(state, { type: "product.deleted", object, livemode, cause: causeOf(request) });
  return ok({ id, object: "product", deleted: true });
}
