import type { SubscriptionRead } from "../stripe/read-subscriptions.ts";
import type { MeterRead } from "../stripe/remember-meters.ts";

/** The subscription that bills an organization's usage, and its metered item's period. */
export type ChosenSubscription = { id: string; status: string; periodStart: Date; periodEnd: Date };

/** A time in which usage lies on an invoice; null: without an end yet. */
export type BilledTime = { from: Date; until: Date | null };

const running = ["active", "trialing", "past_due"];
const ended = ["canceled", "incomplete_expired"];

/** A customer may have had very many subscriptions, and only usage that is not sealed yet is cut at their ends. */
const endingsMax = 20;

/** Whether a subscription of this status has ended for good. */
export function isEnded(status: string): boolean {
  return ended.includes(status);
}

/** The account's meters that our usage goes to: for each event name the active meter, or else any of that name. */
export function chooseMeters(
  meters: ReadonlyMap<string, MeterRead>,
  eventNames: readonly string[],
): ReadonlySet<string> {
  return new Set(
    eventNames.flatMap((eventName) => {
      const named = [...meters].filter(([, meter]) => meter.eventName === eventName);
      const active = named.filter(([, { isActive }]) => isActive);
      return (active.length > 0 ? active : named).map(([id]) => id);
    }),
  );
}

/** The customer's subscriptions that bill one of these meters. */
function billingOf(
  subscriptions: readonly SubscriptionRead[],
  meterIds: ReadonlySet<string>,
): SubscriptionRead[] {
  return subscriptions.filter(({ items }) =>
    items.some(({ meterId }) => meterId !== null && meterIds.has(meterId)),
  );
}

/**
 * The best of the subscriptions that bill one of these meters: running before paused, unpaid and incomplete before
 * ended, then the newest. Of two that were made in the same second, the one that Stripe lists first is the newer one.
 */
export function chooseSubscription(
  subscriptions: readonly SubscriptionRead[],
  meterIds: ReadonlySet<string>,
): ChosenSubscription | undefined {
  const [best] = billingOf(subscriptions, meterIds).toSorted(
    (a, b) => rank(a.status) - rank(b.status) || b.createdAt.getTime() - a.createdAt.getTime(),
  );
  // Items may have intervals of their own (docs.stripe.com/billing/subscriptions/mixed-interval): the shortest period ends first, or with others.
  const [item] = (best?.items ?? [])
    .filter(({ meterId }) => meterId !== null && meterIds.has(meterId))
    .toSorted(
      (a, b) =>
        a.periodEnd.getTime() - b.periodEnd.getTime() || b.periodStart.getTime() - a.periodStart.getTime(),
    );
  if (best === undefined || item === undefined) return undefined;
  return { id: best.id, status: best.status, periodStart: item.periodStart, periodEnd: item.periodEnd };
}

/**
 * Where present periods of these meters' items begin and end, apart from the bounds of the chosen subscription's period, and where
 * subscriptions ended, the chosen one among them: an hour of usage is cut there, too. A subscription that was cancelled
 * at once ends before its period does.
 */
export function otherBounds(
  subscriptions: readonly SubscriptionRead[],
  meterIds: ReadonlySet<string>,
  chosen: ChosenSubscription | undefined,
): Date[] {
  const ours = billingOf(subscriptions, meterIds);
  const periods = ours
    .filter(({ status }) => !isEnded(status))
    .flatMap(({ items }) => items.filter(({ meterId }) => meterId !== null && meterIds.has(meterId)))
    .flatMap(({ periodStart, periodEnd }) => [periodStart.getTime(), periodEnd.getTime()]);
  const known = new Set([chosen?.periodStart.getTime(), chosen?.periodEnd.getTime()]);
  return [...new Set([...periods, ...latestEndings(ours)])]
    .filter((time) => !known.has(time))
    .toSorted((a, b) => a - b)
    .map((time) => new Date(time));
}

function latestEndings(subscriptions: readonly SubscriptionRead[]): number[] {
  return subscriptions
    .flatMap(({ endedAt }) => endedAt?.getTime() ?? [])
    .toSorted((a, b) => b - a)
    .slice(0, endingsMax);
}

/**
 * When usage of these meters lies on an invoice of one of the subscriptions. A subscription that was never paid has no
 * such time, and one that is paused none after its last period: it begins no other (docs.stripe.com/api/subscriptions/pause).
 */
export function billedTimes(
  subscriptions: readonly SubscriptionRead[],
  meterIds: ReadonlySet<string>,
): BilledTime[] {
  return billingOf(subscriptions, meterIds)
    .filter(({ status }) => status !== "incomplete_expired")
    .map((one) => ({ from: one.startedAt, until: one.endedAt ?? pausedSince(one) }))
    .filter(({ from, until }) => until === null || from < until);
}

function pausedSince({ status, items }: SubscriptionRead): Date | null {
  if (status !== "paused") return null;
  return new Date(Math.max(...items.map(({ periodEnd }) => periodEnd.getTime())));
}

function rank(status: string): number {
  if (running.includes(status)) return 0;
  return isEnded(status) ? 2 : 1;
}
