/** Stripe's words for a subscription's status (API 2026-10-28.endive). Stripe's list is open: later versions add to it. */
export const stripeStatuses: readonly string[] = [
  "active",
  "canceled",
  "incomplete",
  "incomplete_expired",
  "past_due",
  "paused",
  "trialing",
  "unpaid",
];

/** What a person may write for a status: a word of Stripe's, or any other behind `x:`, so that no typing error passes. */
export function isSubscriptionStatus(word: string): boolean {
  return stripeStatuses.includes(word) || /^x:[a-z_]{1,62}$/.test(word);
}

/** Says which words are allowed, for a refusal. */
export const allowedStatuses = `must be one of ${stripeStatuses.join(", ")}; any other word needs x: in front`;
