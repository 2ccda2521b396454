import { emit, type Cause } from "../events/emit.ts";
import { ok, type Answer } from "../request/answer.ts";
import { resourceMissing } from "../request/errors.ts";
import { textField } from "../request/form.ts";
import { listPage } from "../request/list.ts";
import type { Route, StripeRequest } from "../request/route.ts";
import type { Simulation } from "../state.ts";
import { nowOf } from "./test-clock.ts";
import { invoiceObject, type Invoice } from "./invoice.ts";
import type { Subscription } from "./subscription.ts";

const INVOICES_PATH = "/v1/invoices";

/** docs.stripe.com/api/invoices, certain; only to look at. */
export const invoiceRoutes: Route[] = [
  { method: "GET", path: INVOICES_PATH, api: "v1", execute: listInvoices },
  { method: "GET", path: `${INVOICES_PATH}/:id`, api: "v1", execute: retrieveInvoice },
];

type NewInvoice = Pick<Invoice, "billingReason" | "periodStart" | "periodEnd">;

/**
 * Draws up an invoice and tells of it. The first one of a subscription is finalized at once, later ones stay drafts
 * for an hour at Stripe (certain) and until they are paid or refused here.
 */
export function addInvoice(
  state: Simulation,
  subscription: Subscription,
  { cause, ...period }: NewInvoice & { cause: Cause },
): Invoice {
  const invoice: Invoice = {
    id: state.nextId("in"),
    customer: subscription.customer,
    subscription: subscription.id,
    subscriptionMetadata: { ...subscription.metadata },
    livemode: subscription.livemode,
    status: "draft",
    createdAt: nowOf(state, subscription.customer),
    finalizedAt: null,
    paidAt: null,
    attempts: 0,
    ...period,
  };
  state.invoices.set(invoice.id, invoice);
  tell(state, invoice, { type: "invoice.created", cause });
  if (invoice.billingReason === "subscription_create") finalize(state, invoice, cause);
  return invoice;
}

/** Finalizes an invoice where that is due and collects it, or fails to. */
export function collectInvoice(
  state: Simulation,
  invoice: Invoice,
  { isPaid, cause }: { isPaid: boolean; cause: Cause },
): void {
  if (invoice.status === "draft") finalize(state, invoice, cause);
  invoice.attempts += 1;
  if (isPaid) Object.assign(invoice, { status: "paid", paidAt: nowOf(state, invoice.customer) });
  tell(state, invoice, { type: isPaid ? "invoice.paid" : "invoice.payment_failed", cause });
}

function finalize(state: Simulation, invoice: Invoice, cause: Cause): void {
  Object.assign(invoice, { status: "open", finalizedAt: nowOf(state, invoice.customer) });
  tell(state, invoice, { type: "invoice.finalized", cause });
}

function tell(state: Simulation, invoice: Invoice, { type, cause }: { type: string; cause: Cause }): void {
  emit(state, { type, object: invoiceObject(invoice), livemode: invoice.livemode, cause });
}

function listInvoices(state: Simulation, { form }: StripeRequest): Answer {
  const asked = (name: string, value: string) => (textField(form, name) ?? value) === value;
  const invoices = [...state.invoices.values()].filter(
    (invoice) =>
      asked("customer", invoice.customer) &&
      asked("subscription", invoice.subscription) &&
      asked("status", invoice.status),
  );
  return listPage(invoices.toReversed().map(invoiceObject), form, INVOICES_PATH);
}

function retrieveInvoice(state: Simulation, { id }: StripeRequest): Answer {
  const invoice = state.invoices.get(id);
  return invoice === undefined ? resourceMissing("invoice", id) : ok(invoiceObject(invoice));
}
