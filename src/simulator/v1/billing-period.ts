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

/** Whether a subscription has periods that follow each other. */
export function isRunning({ status }: Subscription): boolean {
  return ["active", "trialing", "past_due"].includes(status);
}

/** Whether a subscription that runs has reached the end of its period. One set by hand never does. */
export function isPeriodOver(subscription: Subscription, now: number): boolean {
  return isRunning(subscription) && !subscription.isPeriodPinned && now >= subscription.periodEnd;
}

/** Begins a month at `now`, which is the anchor from then on. */
export function beginMonth(subscription: Subscription, now: number): void {
  Object.assign(subscription, { anchor: now, periodStart: now, periodEnd: monthsAfter(now, 1) });
}

/** Ends the period: the trial is over, the next month begins, or a cancelled subscription ends. */
export function endPeriod(subscription: Subscription): void {
  if (subscription.cancelAtPeriodEnd) {
    subscription.status = "canceled";
    subscription.endedAt = subscription.periodEnd;
    return;
  }
  if (subscription.status === "trialing") {
    subscription.status = "active";
    subscription.anchor = subscription.periodEnd;
  }
  subscription.periodStart = subscription.periodEnd;
  subscription.periodEnd = nextEnd(subscription);
}

function nextEnd({ anchor, periodEnd }: Subscription): number {
  for (let month = 1; ; month += 1) {
    const end = monthsAfter(anchor, month);
    if (end > periodEnd) return end;
  }
}
