import type { PeriodEntries } from "../../outbox/period-entries.ts";
import { type MeterName, meterNames, meters } from "../../usage/meters.ts";
import { addQuantities, compareQuantities, subtractQuantity } from "../../usage/quantity.ts";
import { isBilled, type PeriodInvoice, type Quantities } from "./billing-periods.ts";
import type { PeriodEvents } from "./period-events.ts";

/**
 * The quantities that final invoices bill of each meter. A meter that none of them bills is left out, as the plan has
 * no price for it.
 */
export function invoicedQuantities(invoices: readonly PeriodInvoice[]): Quantities {
  const billed = invoices.filter(isBilled);
  return Object.fromEntries(
    meterNames.flatMap((meter) => {
      const lines = billed.flatMap(({ invoiced }) => invoiced[meter] ?? []);
      if (lines.length === 0) return [];
      // Several invoices add up what was used; of a gauge each has the whole.
      return [[meter, meters[meter].aggregation === "sum" ? addQuantities(lines) : (lines[0] ?? "0")]];
    }),
  );
}

/**
 * Whether a draft bills the meter: until it is final it takes what the final invoices of its period and subscription do not
 * have.
 */
export function isOnDraft(invoices: readonly PeriodInvoice[], meter: MeterName): boolean {
  const ofFinal = new Set(invoices.filter(isBilled).map(({ subscriptionId }) => subscriptionId));
  return invoices.some(
    ({ status, invoiced, subscriptionId }) =>
      status === "draft" && invoiced[meter] !== undefined && ofFinal.has(subscriptionId),
  );
}

export type Used = { entries: PeriodEntries | undefined; events: PeriodEvents | undefined };

/** What a period's entries and meter events tell of one meter. */
export function usedOf(
  meter: MeterName,
  { entries = [], events = [] }: { entries?: readonly PeriodEntries[]; events?: readonly PeriodEvents[] },
): Used {
  return {
    entries: entries.find((one) => one.meter === meter),
    events: events.find((one) => one.meter === meter),
  };
}

/**
 * The quantity that a period's invoices should bill of a meter: all its usage, except usage that a later period
 * carries.
 */
export function dueQuantity(meter: MeterName, { entries, events }: Used): string {
  if (meters[meter].aggregation === "last") return entries?.quantity ?? events?.counted ?? "0";
  const counted = addQuantities([events?.counted ?? "0", entries?.unsealedQuantity ?? "0"]);
  return subtractQuantity(counted, events?.carriedOut ?? "0");
}

/**
 * Usage that final invoices lack, by meter; null: none. A quantity above ours does not count. Of a meter that they have no price
 * for nothing is lacking, unless all of it is owed: the period is without an invoice, or the price was there before; nor of one that
 * a draft bills yet.
 */
export function notBilled(
  invoices: readonly PeriodInvoice[],
  dueOf: (meter: MeterName) => string,
  { isOwedWhole }: { isOwedWhole: (meter: MeterName) => boolean },
): Quantities | null {
  const invoiced = invoicedQuantities(invoices);
  const lacking = meterNames.flatMap((meter) => {
    const quantity = invoiced[meter] ?? (isOwedWhole(meter) ? "0" : undefined);
    if (quantity === undefined || isOnDraft(invoices, meter)) return [];
    const due = dueOf(meter);
    return compareQuantities(due, quantity) > 0 ? [[meter, subtractQuantity(due, quantity)] as const] : [];
  });
  return lacking.length === 0 ? null : Object.fromEntries(lacking);
}
