import { noRequest } from "../events/emit.ts";
import type { Simulation } from "../state.ts";
import { addInvoice } from "./add-invoice.ts";
import { endPeriod, isPeriodOver } from "./billing-period.ts";
import { changeSubscription } from "./change-subscription.ts";
import type { Invoice } from "./invoice.ts";
import { nowOf } from "./customer-time.ts";
import type { Subscription } from "./subscription.ts";

/** A subscription by its id, brought up to the simulator's time. */
export function findSubscription(state: Simulation, id: string): Subscription | undefined {
  const subscription = state.subscriptions.get(id);
  if (subscription !== undefined) catchUp(state, subscription);
  return subscription;
}

/** Lets every subscription catch up with the clock, as after the clock was set. */
export function catchUpAll(state: Simulation): void {
  for (const subscription of state.subscriptions.values()) catchUp(state, subscription);
}

/** Ends the current period, and tells of the next one and of the invoice, which is a draft (certain). */
export function cycleSubscription(state: Simulation, subscription: Subscription): Invoice {
  const { periodStart, periodEnd } = subscription;
  const invoice = addInvoice(state, subscription, {
    billingReason: "subscription_cycle",
    periodStart,
    periodEnd,
    cause: noRequest,
  });
  changeSubscription(state, subscription, { cause: noRequest, change: () => endPeriod(subscription) });
  return invoice;
}

function catchUp(state: Simulation, subscription: Subscription): void {
  while (isPeriodOver(subscription, nowOf(state, subscription.customer)))
    cycleSubscription(state, subscription);
}
