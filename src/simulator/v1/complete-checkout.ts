import { emit, noRequest } from "../events/emit.ts";
import type { Simulation } from "../state.ts";
import { daySeconds } from "../usage/meter.ts";
import { addInvoice } from "./add-invoice.ts";
import { addSubscription } from "./add-subscription.ts";
import { changeSubscription } from "./change-subscription.ts";
import { checkoutSessionObject, type CheckoutSession, type PaymentStatus } from "./checkout-session.ts";
import { collectInvoice } from "./collect-invoice.ts";
import { addCustomer } from "./customers.ts";
import type { Subscription } from "./subscription.ts";

/**
 * What a customer does in Checkout: makes the customer where the session has none, and the subscription, whose first
 * invoice is finalized at once (certain). The session's own event comes last; Stripe promises no order.
 */
export function completeCheckout(
  state: Simulation,
  session: CheckoutSession,
  paymentStatus: PaymentStatus,
): void {
  const { livemode, trialDays, customerEmail } = session;
  const now = state.clock.nowSeconds();
  session.customer ??= addCustomer(state, {
    livemode,
    name: null,
    email: customerEmail,
    metadata: {},
    cause: noRequest,
  }).id;
  const subscription = addSubscription(state, {
    customer: session.customer,
    livemode,
    trialEnd: trialDays === null ? null : now + trialDays * daySeconds,
    metadata: session.subscriptionMetadata,
    items: session.items,
    // The status of a subscription until a slow payment arrives is our guess.
    ...(paymentStatus === "unpaid" && trialDays === null ? { status: "incomplete" } : {}),
    cause: noRequest,
  });
  const invoice = addInvoice(state, subscription, {
    billingReason: "subscription_create",
    periodStart: now,
    periodEnd: now,
    cause: noRequest,
  });
  if (paymentStatus !== "unpaid") collectInvoice(state, invoice, { isPaid: true, cause: noRequest });
  Object.assign(session, {
    status: "complete",
    paymentStatus,
    subscription: subscription.id,
    invoice: invoice.id,
  });
  tell(state, session, "checkout.session.completed");
}

/** The end of a payment that takes days: the subscription becomes `active`, or `incomplete_expired` (our guess). */
export function settleAsyncPayment(state: Simulation, session: CheckoutSession, hasSucceeded: boolean): void {
  const invoice = state.invoices.get(session.invoice ?? "");
  if (invoice !== undefined) collectInvoice(state, invoice, { isPaid: hasSucceeded, cause: noRequest });
  const subscription = state.subscriptions.get(session.subscription ?? "");
  if (subscription?.status === "incomplete") {
    const status: Subscription["status"] = hasSucceeded ? "active" : "incomplete_expired";
    changeSubscription(state, subscription, {
      cause: noRequest,
      change: () => Object.assign(subscription, { status }),
    });
  }
  if (hasSucceeded) session.paymentStatus = "paid";
  tell(state, session, `checkout.session.async_payment_${hasSucceeded ? "succeeded" : "failed"}`);
}

function tell(state: Simulation, session: CheckoutSession, type: string): void {
  emit(state, { type, object: checkoutSessionObject(session), livemode: session.livemode });
}
