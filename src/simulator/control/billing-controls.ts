import { noRequest } from "../events/emit.ts";
import type { Simulation } from "../state.ts";
import { isRunning } from "../v1/billing-period.ts";
import { changeSubscription } from "../v1/change-subscription.ts";
import { checkoutSessionObject } from "../v1/checkout-session.ts";
import { completeCheckout, settleAsyncPayment } from "../v1/complete-checkout.ts";
import { settleInvoice } from "../v1/collect-invoice.ts";
import { cycleSubscription, findSubscription } from "../v1/cycle-subscription.ts";
import { invoiceObject } from "../v1/invoice.ts";
import { openPaymentLink } from "../v1/open-payment-link.ts";
import { subscriptionObject } from "../v1/subscription-object.ts";
import type { Subscription } from "../v1/subscription.ts";
import type {
  AsyncPayment,
  Completion,
  Cycle,
  PaymentLinkVisit,
  SubscriptionChange,
} from "./billing-schemas.ts";

/** Puts a subscription into a state that Stripe's API gives no direct way to; undefined when there is none. */
export function setSubscription(state: Simulation, id: string, wanted: SubscriptionChange) {
  const subscription = findSubscription(state, id);
  if (subscription === undefined) return undefined;
  changeSubscription(state, subscription, {
    cause: noRequest,
    change: () => {
      if (wanted.status !== undefined) setStatus(subscription, wanted.status, state.clock.nowSeconds());
      subscription.periodStart = wanted.current_period_start ?? subscription.periodStart;
      subscription.billedUntil = wanted.current_period_start ?? subscription.billedUntil;
      subscription.periodEnd = wanted.current_period_end ?? subscription.periodEnd;
      if (wanted.pause_collection !== undefined) subscription.pauseCollection = wanted.pause_collection;
      subscription.isPeriodPinned ||=
        wanted.current_period_start !== undefined || wanted.current_period_end !== undefined;
    },
  });
  return subscriptionObject(subscription);
}

/** Ends a subscription's period before the clock does; undefined when there is none, or none that runs. */
export function cycle(state: Simulation, id: string, { payment }: Cycle) {
  const subscription = findSubscription(state, id);
  if (subscription === undefined || !isRunning(subscription)) return undefined;
  const invoice = cycleSubscription(state, subscription);
  if (payment !== undefined) {
    settleInvoice(state, invoice, { isPaid: payment === "paid", cause: noRequest });
  }
  return { subscription: subscriptionObject(subscription), invoice: invoiceObject(invoice) };
}

/** Completes an open Checkout session; undefined when there is none. A session completes only once. */
export function complete(state: Simulation, id: string, wanted: Completion) {
  const session = state.checkoutSessions.get(id);
  if (session?.status !== "open") return undefined;
  // A trial is paid for later, which Stripe calls `no_payment_required` (SDK typings, certain).
  const usual = session.trialDays === null ? "paid" : "no_payment_required";
  completeCheckout(state, session, wanted.payment_status ?? (wanted.async === true ? "unpaid" : usual));
  return checkoutSessionObject(session);
}

/** Opens a Payment Link by its URL, with a query of the visitor's own; undefined when no active link has it. */
export function openLink(state: Simulation, { url }: PaymentLinkVisit) {
  const session = openPaymentLink(state, new URL(url));
  return session === undefined ? undefined : checkoutSessionObject(session);
}

/** Ends the payment of a session that completed unpaid; undefined when there is none. */
export function endAsyncPayment(state: Simulation, id: string, { succeeded }: AsyncPayment) {
  const session = state.checkoutSessions.get(id);
  if (session?.status !== "complete" || session.paymentStatus !== "unpaid") return undefined;
  settleAsyncPayment(state, session, succeeded);
  return checkoutSessionObject(session);
}

function setStatus(subscription: Subscription, status: Subscription["status"], now: number): void {
  const endedAt = status === "canceled" ? now : null;
  Object.assign(subscription, { status, endedAt, canceledAt: endedAt ?? subscription.canceledAt });
}
