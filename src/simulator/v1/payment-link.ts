import type { SubscriptionItem } from "./subscription-item.ts";

/** A Payment Link of a subscription: any visitor with its URL can subscribe. */
export type PaymentLink = {
  id: string;
  url: string;
  active: boolean;
  livemode: boolean;
  metadata: Record<string, string>;
  subscriptionMetadata: Record<string, string>;
  trialDays: number | null;
  items: SubscriptionItem[];
};

/** A Payment Link the way API 2026-10-28.endive shows it. Fields that say nothing about a subscription are left out. */
export function paymentLinkObject(link: PaymentLink) {
  return {
    id: link.id,
    object: "payment_link",
    active: link.active,
    currency: link.items[0]?.price.currency ?? "usd",
    livemode: link.livemode,
    metadata: link.metadata,
    subscription_data: {
      metadata: link.subscriptionMetadata,
      trial_period_days: link.trialDays,
    },
    url: link.url,
  };
}
