import type { SubscriptionItem } from "./subscription-item.ts";

/** Stripe's own words (API 2026-10-28.endive, certain). */
export const subscriptionStatuses = [
  "active",
  "canceled",
  "incomplete",
  "incomplete_expired",
  "past_due",
  "paused",
  "trialing",
  "unpaid",
] as const;

/** What becomes of the invoices while their collection is paused (SDK typings, certain). */
export const pauseBehaviors = ["keep_as_draft", "mark_uncollectible", "void"] as const;

type SubscriptionStatus = (typeof subscriptionStatuses)[number];

/** A subscription. Its items share one period here; in Stripe's objects the period is on the items. */
export type Subscription = {
  id: string;
  customer: string;
  status: SubscriptionStatus;
  livemode: boolean;
  createdAt: number;
  /** When it began: its creation, or earlier by `backdate_start_date`. */
  startDate: number;
  anchor: number;
  periodStart: number;
  periodEnd: number;
  /** The end of the usage that its last invoice counts; the next one goes on from here. */
  billedUntil: number;
  /** Set when the period was set by hand: it then stays, whatever the time. */
  isPeriodPinned: boolean;
  trialEnd: number | null;
  /** Shown as it was set; the invoices stay as they are. */
  pauseCollection: (typeof pauseBehaviors)[number] | null;
  cancelAtPeriodEnd: boolean;
  canceledAt: number | null;
  endedAt: number | null;
  metadata: Record<string, string>;
  items: SubscriptionItem[];
};
