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

/** The statuses of organizations whose sensors are counted, unless `BILLABLE_STATUSES` says otherwise. */
export const billableByDefault: readonly string[] = ["active", "trialing"];

/** What a person may write for a status: a word of Stripe's, or any other behind `x:`, so that no typing error passes. */
export const statusPattern = new RegExp(`^(?:${stripeStatuses.join("|")}|x:[a-z_]{1,62})$`);

/** Says which words are allowed, for a refusal. */
export const allowedStatuses = `must be one of ${stripeStatuses.join(", ")}; any other word needs x: in front`;

/** The words that these stand for: `x:beta` is what a person wrote, and `beta` what Stripe says. */
export function statusesMeant(words: readonly string[]): string[] {
  return words.flatMap((word) => (word.startsWith("x:") ? [word, word.slice(2)] : [word]));
}
