import { formatDecimal } from "../decimal.ts";
import type { Simulation } from "../state.ts";
import { aggregateCounts, collectCounts } from "../usage/aggregate.ts";
import { nextPeriodEnd } from "./billing-period.ts";
import type { Invoice } from "./invoice.ts";
import type { InvoiceLine } from "./invoice-line.ts";
import type { Price } from "./price.ts";
import type { Subscription } from "./subscription.ts";
import type { SubscriptionItem } from "./subscription-item.ts";

/**
 * The lines of a new invoice: metered prices for the period that has ended, licensed ones for the one that begins
 * (certain). The first invoice shows metered prices without usage (our guess).
 */
export function newLines(state: Simulation, invoice: Invoice, subscription: Subscription): InvoiceLine[] {
  const isFirst = invoice.billingReason === "subscription_create";
  const isLast = !isFirst && (subscription.cancelAtPeriodEnd || subscription.endedAt !== null);
  return subscription.items
    .filter(({ price }) => !isLast || price.recurring.usageType === "metered")
    .map((item) => ({
      id: state.nextId("il"),
      subscriptionItem: item.id,
      price: item.price,
      ...periodOf(item, invoice, subscription),
      quantity: String(item.quantity ?? 0),
    }));
}

/**
 * Brings the quantities of metered prices up to date: "During finalization, Stripe updates the invoice to reflect the
 * latest quantity" (configure-grace-period, certain). That this sees usage which the sums do not show yet is our guess.
 */
export function countLines(state: Simulation, invoice: Invoice): void {
  for (const line of invoice.lines) line.quantity = usageOf(state, invoice, line.price) ?? line.quantity;
}

function periodOf({ price }: SubscriptionItem, invoice: Invoice, subscription: Subscription) {
  const { periodStart, periodEnd } = invoice;
  if (price.recurring.usageType === "metered") return { periodStart, periodEnd };
  return invoice.billingReason === "subscription_create"
    ? { periodStart: subscription.periodStart, periodEnd: subscription.periodEnd }
    : { periodStart: periodEnd, periodEnd: nextPeriodEnd(subscription) };
}

function usageOf(state: Simulation, invoice: Invoice, { recurring }: Price): string | undefined {
  const meter = recurring?.usageType === "metered" ? state.meters.get(recurring.meter) : undefined;
  if (meter === undefined) return undefined;
  const { customer, usageFrom: start, usageUntil: end } = invoice;
  const counts = collectCounts(state.ledger, { meter, customer, start, end });
  const rule = { formula: meter.formula, lastOrder: state.settings.last_order };
  return formatDecimal(aggregateCounts(counts, rule));
}
