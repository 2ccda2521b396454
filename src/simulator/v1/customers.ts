import { ok, type Answer } from "../request/answer.ts";
import { resourceMissing } from "../request/errors.ts";
import { textField } from "../request/form.ts";
import { listPage } from "../request/list.ts";
import { readMetadata } from "../request/metadata.ts";
import type { Route, StripeRequest } from "../request/route.ts";
import type { Simulation } from "../state.ts";
import type { Customer } from "./customer.ts";

const CUSTOMERS_PATH = "/v1/customers";

/** docs.stripe.com/api/customers, certain; reduced to the fields that usage needs. */
export const customerRoutes: Route[] = [
  { method: "POST", path: CUSTOMERS_PATH, api: "v1", execute: createCustomer },
  { method: "GET", path: CUSTOMERS_PATH, api: "v1", execute: listCustomers },
  { method: "GET", path: `${CUSTOMERS_PATH}/:id`, api: "v1", execute: retrieveCustomer },
  { method: "DELETE", path: `${CUSTOMERS_PATH}/:id`, api: "v1", execute: deleteCustomer },
];

function createCustomer(state: Simulation, { form, livemode }: StripeRequest): Answer {
  const customer = {
    id: state.nextId("cus"),
    createdAt: state.clock.nowSeconds(),
    livemode,
    name: textField(form, "name") ?? null,
    email: textField(form, "email") ?? null,
    metadata: readMetadata(form, {}),
    isDeleted: false,
  };
  state.customers.set(customer.id, customer);
  return ok(customerObject(customer));
}

function listCustomers(state: Simulation, { form }: StripeRequest): Answer {
  const email = textField(form, "email");
  const present = [...state.customers.values()].filter(
    (customer) => !customer.isDeleted && (email === undefined || customer.email === email),
  );
  return listPage(present.toReversed().map(customerObject), form, CUSTOMERS_PATH);
}

function retrieveCustomer(state: Simulation, { id }: StripeRequest): Answer {
  const customer = state.customers.get(id);
  if (customer === undefined) return resourceMissing("customer", id);
  return ok(customer.isDeleted ? tombstone(id) : customerObject(customer));
}

function deleteCustomer(state: Simulation, { id }: StripeRequest): Answer {
  const customer = state.customers.get(id);
  if (customer === undefined || customer.isDeleted) return resourceMissing("customer", id);
  customer.isDeleted = true;
  return ok(tombstone(id));
}

function customerObject(customer: Customer) {
  return {
    id: customer.id,
    object: "customer",
    created: customer.createdAt,
    email: customer.email,
    livemode: customer.livemode,
    metadata: customer.metadata,
    name: customer.name,
  };
}

function tombstone(id: string) {
  return { id, object: "customer", deleted: true };
}
