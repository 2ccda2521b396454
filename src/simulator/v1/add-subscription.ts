import { emit, type Cause } from "../events/emit.ts";
import type { Simulation } from "../state.ts";
import { intervalsAfter } from "./billing-period.ts";
import { nowOf } from "./customer-time.ts";
import { subscriptionObject } from "./subscription-object.ts";
import type { SubscriptionItem } from "./subscription-item.ts";
import type { Subscription } from "./subscription.ts";

type NewSubscription = Pick<Subscription, "customer" | "livemode" | "trialEnd" | "metadata"> & {
  items: SubscriptionItem[];
  /** Where it is not to be active or trialing at once. */
  status?: Subscription["status"];
  cancelAtPeriodEnd?: boolean;
  /** In the past; its creation when absent. */
  startDate?: number | undefined;
  cause: Cause;
};

/** Adds a subscription that begins now: with a trial when that has an end, otherwise with an interval of its prices. */
export function addSubscription(state: Simulation, wanted: NewSubscription): Subscription {
  const { customer, livemode, trialEnd, metadata, items, cause } = wanted;
  const now = nowOf(state, customer);
  const subscription: Subscription = {
    id: state.nextId("sub"),
    customer,
    status: wanted.status ?? (trialEnd === null ? "active" : "trialing"),
    livemode,
    createdAt: now,
    startDate: wanted.startDate ?? now,
    anchor: trialEnd ?? now,
    periodStart: now,
    periodEnd: trialEnd ?? intervalsAfter(now, { items }, 1),
    // Usage since the start is billed with the first invoice (billing mode `flexible`, certain).
    billedUntil: wanted.startDate ?? now,
    isPeriodPinned: false,
    trialEnd,
    pauseCollection: null,
    cancelAtPeriodEnd: wanted.cancelAtPeriodEnd ?? false,
    canceledAt: null,
    endedAt: null,
    metadata,
    items,
  };
  state.subscriptions.set(subscription.id, subscription);
  const object = subscriptionObject(subscription);
  emit(state, { type: "customer.subscription.created", object, livemode, cause });
  return subscription;
}
