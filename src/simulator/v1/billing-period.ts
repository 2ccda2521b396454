import { daySeconds } from "../usage/meter.ts";
import type { Interval } from "./price.ts";
import type { Subscription } from "./subscription.ts";

const monthly: Interval = { unit: "month", count: 1 };

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

/** The end of the period that begins `count` intervals after the anchor; the interval is that of the items' prices. */
export function intervalsAfter(
  anchor: number,
  { items }: Pick<Subscription, "items">,
  count: number,
): number {
  const { unit, count: units } = items[0]?.price.recurring.interval ?? monthly;
  const steps = units * count;
  switch (unit) {
    case "day":
      return anchor + steps * daySeconds;
    case "week":
      return anchor + steps * 7 * daySeconds;
    case "month":
      return monthsAfter(anchor, steps);
    case "year":
      return monthsAfter(anchor, 12 * steps);
  }
}

/** Whether a subscription has periods that follow each other. */
export function isRunning({ status }: Subscription): boolean {
  return ["active", "trialing", "past_due"].includes(status);
}

/** Whether a subscription that runs has reached the end of its period. One set by hand never does. */
export function isPeriodOver(subscription: Subscription, now: number): boolean {
  return isRunning(subscription) && !subscription.isPeriodPinned && now >= subscription.periodEnd;
}

/** Begins a period at `now`, which is the anchor from then on. */
export function beginPeriod(subscription: Subscription, now: number): void {
  const periodEnd = intervalsAfter(now, subscription, 1);
  Object.assign(subscription, { anchor: now, periodStart: now, periodEnd, billedUntil: now });
}

/** Ends the period: the trial is over, the next one begins, or a cancelled subscription ends. */
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
  subscription.periodEnd = nextPeriodEnd(subscription);
}

/** When the period ends that follows the current one. */
export function nextPeriodEnd(subscription: Subscription): number {
  for (let count = 1; ; count += 1) {
    const end = intervalsAfter(subscription.anchor, subscription, count);
    if (end > subscription.periodEnd) return end;
  }
}
