import { NO_REQUEST } from "../events/emit.ts";
import type { Simulation } from "../state.ts";
import { endPeriod, isPeriodOver } from "./billing-period.ts";
import { changeSubscription } from "./change-subscription.ts";
import type { Invoice } from "./invoice.ts";
import { addInvoice, collectInvoice } from "./invoices.ts";
import { nowOf } from "./test-clock.ts";
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
    cause: NO_REQUEST,
  });
  changeSubscription(state, subscription, { cause: NO_REQUEST, change: () => endPeriod(subscription) });
  return invoice;
}

/** Settles an invoice: a payment that fails leaves its subscription `past_due`, one that succeeds `active`. */
export function settleInvoice(
  state: Simulation,
  { subscription, invoice, isPaid }: { subscription: Subscription; invoice: Invoice; isPaid: boolean },
): void {
  collectInvoice(state, invoice, { isPaid, cause: NO_REQUEST });
  changeSubscription(state, subscription, {
    cause: NO_REQUEST,
    change: () => {
      if (isPaid && ["past_due", "unpaid"].includes(subscription.status)) subscription.status = "active";
      if (!isPaid && subscription.status === "active") subscription.status = "past_due";
    },
  });
}

function catchUp(state: Simulation, subscription: Subscription): void {
  while (isPeriodOver(subscription, nowOf(state, subscription.customer)))
    cycleSubscription(state, subscription);
}
