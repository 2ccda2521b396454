import { causeOf } from "../events/emit.ts";
import { ok, type Answer } from "../request/answer.ts";
import { isCreatedWithin } from "../request/created-range.ts";
import { resourceMissing } from "../request/errors.ts";
import { textField } from "../request/form.ts";
import { listPage } from "../request/list.ts";
import type { Route, StripeRequest } from "../request/route.ts";
import type { Simulation } from "../state.ts";
import { finalizeInvoice } from "./collect-invoice.ts";
import { invoiceObject, lineObjects } from "./invoice.ts";
import { notEditable, updateInvoice } from "./update-invoice.ts";

const invoicesPath = "/v1/invoices";

/** docs.stripe.com/api/invoices, certain; only those of subscriptions. */
export const invoiceRoutes: Route[] = [
  { method: "GET", path: invoicesPath, api: "v1", execute: listInvoices },
  { method: "GET", path: `${invoicesPath}/:id`, api: "v1", execute: retrieveInvoice },
  { method: "POST", path: `${invoicesPath}/:id`, api: "v1", execute: updateInvoice },
  { method: "GET", path: `${invoicesPath}/:id/lines`, api: "v1", execute: listLines },
  { method: "POST", path: `${invoicesPath}/:id/finalize`, api: "v1", execute: finalizeNow },
];

function listInvoices(state: Simulation, { form }: StripeRequest): Answer {
  const customer = textField(form, "customer");
  // Reported by users of the list of subscriptions; a deleted customer's invoices are listed still.
  if (customer !== undefined && !state.customers.has(customer)) {
    return resourceMissing("customer", customer, "customer");
  }
  const asked = (name: string, value: string) => (textField(form, name) ?? value) === value;
  const invoices = [...state.invoices.values()].filter(
    (invoice) =>
      asked("customer", invoice.customer) &&
      asked("subscription", invoice.subscription) &&
      asked("status", invoice.status) &&
      isCreatedWithin(invoice.createdAt, form),
  );
  return listPage(invoices.toReversed().map(invoiceObject), form, invoicesPath);
}

function retrieveInvoice(state: Simulation, { id }: StripeRequest): Answer {
  const invoice = state.invoices.get(id);
  return invoice === undefined ? resourceMissing("invoice", id) : ok(invoiceObject(invoice));
}

function listLines(state: Simulation, { id, form, path }: StripeRequest): Answer {
  const invoice = state.invoices.get(id);
  return invoice === undefined ? resourceMissing("invoice", id) : listPage(lineObjects(invoice), form, path);
}

function finalizeNow(state: Simulation, request: StripeRequest): Answer {
  const invoice = state.invoices.get(request.id);
  if (invoice === undefined) return resourceMissing("invoice", request.id);
  if (invoice.status !== "draft") return notEditable(invoice);
  finalizeInvoice(state, invoice, causeOf(request));
  return ok(invoiceObject(invoice));
}
