import { emit, type Cause } from "../events/emit.ts";
import type { Simulation } from "../state.ts";
import { changeSubscription } from "./change-subscription.ts";
import { invoiceObject, type Invoice } from "./invoice.ts";
import { countLines } from "./invoice-lines.ts";
import { nowOf } from "./customer-time.ts";

/** Finalizes a draft with the usage that has arrived by now; what comes later is on no invoice (certain). */
export function finalizeInvoice(state: Simulation, invoice: Invoice, cause: Cause): void {
  countLines(state, invoice);
  Object.assign(invoice, {
    status: "open",
    finalizedAt: nowOf(state, invoice.customer),
    finalizesAt: null,
  });
  tell(state, invoice, { type: "invoice.finalized", cause });
}

type Payment = { isPaid: boolean; cause: Cause };

/** Finalizes an invoice where that is due and collects it, or fails to. */
export function collectInvoice(state: Simulation, invoice: Invoice, { isPaid, cause }: Payment): void {
  if (invoice.status === "draft") finalizeInvoice(state, invoice, cause);
  invoice.attempts += 1;
  if (isPaid) Object.assign(invoice, { status: "paid", paidAt: nowOf(state, invoice.customer) });
  tell(state, invoice, { type: isPaid ? "invoice.paid" : "invoice.payment_failed", cause });
}

/** Collects an invoice: a payment that fails leaves its subscription `past_due`, one that succeeds `active`. */
export function settleInvoice(state: Simulation, invoice: Invoice, payment: Payment): void {
  collectInvoice(state, invoice, payment);
  const subscription = state.subscriptions.get(invoice.subscription);
  if (subscription === undefined) return;
  changeSubscription(state, subscription, {
    cause: payment.cause,
    change: () => {
      if (payment.isPaid && ["past_due", "unpaid"].includes(subscription.status))
        subscription.status = "active";
      if (!payment.isPaid && subscription.status === "active") subscription.status = "past_due";
    },
  });
}

function tell(state: Simulation, invoice: Invoice, { type, cause }: { type: string; cause: Cause }): void {
  emit(state, { type, object: invoiceObject(invoice), livemode: invoice.livemode, cause });
}
