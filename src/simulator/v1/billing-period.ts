import type { Subscription } from "./subscription.ts";

/** The end of the monthly period that begins `months` after the anchor; short months end it on their last day. */
export function monthsAfter(anchor: number, months: number): number {
  const start = new Date(anchor * 1000);
  const day = start.getUTCDate();
  const target = new Date(start);
  target.setUTCDate(1);
  target.setUTCMonth(start.getUTCMonth() + months);
  const lastDay = new Date(Date.UTC(target.getUTCFullYear(), target.getUTCMonth() + 1, 0)).getUTCDate();
  target.setUTCDate(Math.min(day, lastDay));
  return target.getTime() / 1000;
}

/** Lets a subscription catch up with the clock: trial over, period rolled on, or cancelled at its end. */
export function catchUp(subscription: Subscription, now: number): void {
  const isRunning = ["active", "trialing", "past_due"].includes(subscription.status);
  if (!isRunning || subscription.isPeriodPinned || now < subscription.periodEnd) return;
  if (subscription.cancelAtPeriodEnd) {
    subscription.status = "canceled";
    subscription.endedAt = subscription.periodEnd;
    return;
  }
  if (subscription.status === "trialing") {
    subscription.status = "active";
    subscription.anchor = subscription.periodEnd;
  }
  for (let month = 1; now >= subscription.periodEnd; month += 1) {
    const end = monthsAfter(subscription.anchor, month);
    if (end <= subscription.periodEnd) continue;
    subscription.periodStart = subscription.periodEnd;
    subscription.periodEnd = end;
  }
}
