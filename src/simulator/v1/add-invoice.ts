import { emit, type Cause } from "../events/emit.ts";
import type { Simulation } from "../state.ts";
import { finalizeInvoice } from "./collect-invoice.ts";
import { scheduleFinalization } from "./finalize-due.ts";
import { invoiceObject, type Invoice } from "./invoice.ts";
import { countLines, newLines } from "./invoice-lines.ts";
import { nowOf } from "./customer-time.ts";
import type { Subscription } from "./subscription.ts";

type NewInvoice = Pick<Invoice, "billingReason" | "periodStart" | "periodEnd">;

/**
 * Draws up an invoice and tells of it. The first one of a subscription is finalized at once, later ones stay drafts
 * for the account's grace period (certain).
 */
export function addInvoice(
  state: Simulation,
  subscription: Subscription,
  { cause, ...period }: NewInvoice & { cause: Cause },
): Invoice {
  const invoice = newInvoice(state, subscription, period);
  invoice.lines = newLines(state, invoice, subscription);
  countLines(state, invoice);
  subscription.billedUntil = invoice.usageUntil;
  state.invoices.set(invoice.id, invoice);
  const { livemode } = invoice;
  invoice.createdEventId = emit(state, {
    type: "invoice.created",
    object: invoiceObject(invoice),
    livemode,
    cause,
  }).id;
  if (invoice.billingReason === "subscription_create") finalizeInvoice(state, invoice, cause);
  else scheduleFinalization(state);
  return invoice;
}

/** "A final invoice that invoices for any un-invoiced metered usage" (`invoice_now`, certain); its reason is guessed. */
export function addFinalInvoice(state: Simulation, subscription: Subscription, cause: Cause): Invoice {
  const { periodStart, periodEnd, endedAt } = subscription;
  return addInvoice(state, subscription, {
    billingReason: "subscription_cycle",
    periodStart,
    periodEnd: endedAt ?? periodEnd,
    cause,
  });
}

function newInvoice(state: Simulation, subscription: Subscription, period: NewInvoice): Invoice {
  const { customer, livemode, metadata } = subscription;
  const now = nowOf(state, customer);
  const isOnTestClock = (state.customers.get(customer)?.testClock ?? null) !== null;
  // A test clock passes through every moment on its way, so the draft is as old as the end of its period.
  const createdAt = isOnTestClock ? Math.min(now, period.periodEnd) : now;
  return {
    id: state.nextId("in"),
    customer,
    subscription: subscription.id,
    subscriptionMetadata: { ...metadata },
    livemode,
    metadata: {},
    status: "draft",
    createdAt,
    createdEventId: undefined,
    ...period,
    // "During the trial period, any usage accrued doesn't count toward the total" (docs.stripe.com/billing/subscriptions/trials, certain).
    usageFrom: Math.max(subscription.billedUntil, subscription.trialEnd ?? 0),
    // "Usage timestamped after the draft's creation goes to the next invoice" (certain): a period that is ended early.
    usageUntil: Math.min(period.periodEnd, createdAt + 1),
    lines: [],
    autoAdvance: true,
    finalizesAt: createdAt + state.settings.invoice_grace_seconds,
    isFinalizationSet: false,
    finalizedAt: null,
    paidAt: null,
    attempts: 0,
  };
}
