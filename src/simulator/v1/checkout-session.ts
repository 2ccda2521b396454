import type { SubscriptionItem } from "./subscription-item.ts";

/** Stripe's own words (SDK typings, certain). */
export const paymentStatuses = ["paid", "unpaid", "no_payment_required"] as const;

export type PaymentStatus = (typeof paymentStatuses)[number];

/** A Checkout session of mode `subscription`. */
export type CheckoutSession = {
  id: string;
  status: "open" | "complete";
  paymentStatus: PaymentStatus;
  livemode: boolean;
  createdAt: number;
  clientReferenceId: string | null;
  customer: string | null;
  customerEmail: string | null;
  subscription: string | null;
  invoice: string | null;
  /** The Payment Link that it was opened by. */
  paymentLink: string | null;
  metadata: Record<string, string>;
  subscriptionMetadata: Record<string, string>;
  trialDays: number | null;
  /** The parts of the subscription that the completed session makes. */
  items: SubscriptionItem[];
  successUrl: string | null;
};

const lifetimeSeconds = 86_400;

/** A session the way API 2026-10-28.endive shows it. Fields that say nothing about a subscription are left out. */
export function checkoutSessionObject(session: CheckoutSession) {
  return {
    id: session.id,
    object: "checkout.session",
    client_reference_id: session.clientReferenceId,
    created: session.createdAt,
    currency: session.items[0]?.price.currency ?? "usd",
    customer: session.customer,
    customer_details: session.customerEmail === null ? null : { email: session.customerEmail },
    customer_email: session.customerEmail,
    expires_at: session.createdAt + lifetimeSeconds,
    invoice: session.invoice,
    livemode: session.livemode,
    metadata: session.metadata,
    mode: "subscription",
    payment_link: session.paymentLink,
    payment_status: session.paymentStatus,
    status: session.status,
    subscription: session.subscription,
    success_url: session.successUrl,
    url: session.status === "open" ? `https://checkout.stripe.com/c/pay/${session.id}` : null,
  };
}
