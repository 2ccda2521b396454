import { priceObject } from "./price.ts";
import type { Subscription } from "./subscription.ts";

/**
 * A subscription the way API 2026-10-28.endive shows it: the period is on the items and not on the subscription
 * (certain, since 2025-03-31.basil). Fields that say nothing about usage are left out.
 */
export function subscriptionObject(subscription: Subscription) {
  const { id, createdAt, livemode } = subscription;
  return {
    id,
    object: "subscription",
    billing_cycle_anchor: subscription.anchor,
    billing_mode: { type: "flexible", flexible: null },
    cancel_at: subscription.cancelAtPeriodEnd ? subscription.periodEnd : null,
    cancel_at_period_end: subscription.cancelAtPeriodEnd,
    canceled_at: subscription.canceledAt,
    collection_method: "charge_automatically",
    created: createdAt,
    currency: subscription.items[0]?.price.currency ?? "usd",
    customer: subscription.customer,
    ended_at: subscription.endedAt,
    items: {
      object: "list",
      data: subscription.items.map((item) => itemObject(item, subscription)),
      has_more: false,
      url: `/v1/subscription_items?subscription=${id}`,
    },
    livemode,
    metadata: subscription.metadata,
    pause_collection:
      subscription.pauseCollection === null
        ? null
        : { behavior: subscription.pauseCollection, resumes_at: null },
    start_date: subscription.startDate,
    status: subscription.status,
    trial_end: subscription.trialEnd,
    trial_start: subscription.trialEnd === null ? null : createdAt,
  };
}

function itemObject(item: Subscription["items"][number], subscription: Subscription) {
  return {
    id: item.id,
    object: "subscription_item",
    created: subscription.createdAt,
    current_period_end: subscription.periodEnd,
    current_period_start: subscription.periodStart,
    metadata: {},
    price: priceObject(item.price),
    ...(item.quantity === null ? {} : { quantity: item.quantity }),
    subscription: subscription.id,
  };
}
