import { causeOf, emit, emitUpdate, type Cause } from "../events/emit.ts";
import { ok, type Answer } from "../request/answer.ts";
import { resourceMissing } from "../request/errors.ts";
import { textField } from "../request/form.ts";
import { listPage } from "../request/list.ts";
import { readMetadata } from "../request/metadata.ts";
import type { Route, StripeRequest } from "../request/route.ts";
import type { Simulation } from "../state.ts";
import type { Customer } from "./customer.ts";
import { endSubscription } from "./end-subscription.ts";

const customersPath = "/v1/customers";

/** docs.stripe.com/api/customers, certain; reduced to the fields that usage needs. */
export const customerRoutes: Route[] = [
  { method: "POST", path: customersPath, api: "v1", execute: createCustomer },
  { method: "GET", path: customersPath, api: "v1", execute: listCustomers },
  { method: "GET", path: `${customersPath}/:id`, api: "v1", execute: retrieveCustomer },
  { method: "POST", path: `${customersPath}/:id`, api: "v1", execute: updateCustomer },
  { method: "DELETE", path: `${customersPath}/:id`, api: "v1", execute: deleteCustomer },
];

type NewCustomer = Pick<Customer, "livemode" | "name" | "email" | "metadata"> &
  Partial<Pick<Customer, "testClock">> & { cause: Cause };

/** Adds a customer and tells of it. */
export function addCustomer(state: Simulation, { cause, ...fields }: NewCustomer): Customer {
  const createdAt = state.clock.nowSeconds();
  const customer: Customer = {
    id: state.nextId("cus"),
    createdAt,
    isDeleted: false,
    testClock: null,
    ...fields,
  };
  state.customers.set(customer.id, customer);
  tell(state, customer, { type: "customer.created", cause });
  return customer;
}

function createCustomer(state: Simulation, request: StripeRequest): Answer {
  const { form, livemode } = request;
  const testClock = textField(form, "test_clock") ?? null;
  if (testClock !== null && !state.testClocks.has(testClock)) {
    return resourceMissing("test clock", testClock, "test_clock");
  }
  const customer = addCustomer(state, {
    livemode,
    testClock,
    name: textField(form, "name") ?? null,
    email: textField(form, "email") ?? null,
    metadata: readMetadata(form, {}),
    cause: causeOf(request),
  });
  return ok(customerObject(customer));
}

function listCustomers(state: Simulation, { form }: StripeRequest): Answer {
  const email = textField(form, "email");
  const present = [...state.customers.values()].filter(
    (customer) => !customer.isDeleted && (email === undefined || customer.email === email),
  );
  return listPage(present.toReversed().map(customerObject), form, customersPath);
}

function retrieveCustomer(state: Simulation, { id }: StripeRequest): Answer {
  const customer = state.customers.get(id);
  if (customer === undefined) return resourceMissing("customer", id);
  return ok(customer.isDeleted ? tombstone(id) : customerObject(customer));
}

function updateCustomer(state: Simulation, request: StripeRequest): Answer {
  const { id, form, livemode } = request;
  const customer = state.customers.get(id);
  if (customer === undefined || customer.isDeleted) return resourceMissing("customer", id);
  const before = customerObject(customer);
  customer.name = textField(form, "name") ?? customer.name;
  customer.email = textField(form, "email") ?? customer.email;
  customer.metadata = readMetadata(form, customer.metadata);
  const object = customerObject(customer);
  emitUpdate(state, { type: "customer.updated", object, before, livemode, cause: causeOf(request) });
  return ok(object);
}

/** Deleting a customer cancels its subscriptions at once (docs.stripe.com/api/customers/delete, certain). */
function deleteCustomer(state: Simulation, request: StripeRequest): Answer {
  const { id } = request;
  const customer = state.customers.get(id);
  if (customer === undefined || customer.isDeleted) return resourceMissing("customer", id);
  const cause = causeOf(request);
  for (const subscription of state.subscriptions.values()) {
    if (subscription.customer === id) endSubscription(state, subscription, cause);
  }
  customer.isDeleted = true;
  tell(state, customer, { type: "customer.deleted", cause });
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
    test_clock: customer.testClock,
  };
}

function tell(state: Simulation, customer: Customer, { type, cause }: { type: string; cause: Cause }): void {
  emit(state, { type, object: customerObject(customer), livemode: customer.livemode, cause });
}

function tombstone(id: string) {
  return { id, object: "customer", deleted: true };
}
