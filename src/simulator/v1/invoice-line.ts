import { atLeastZero, formatDecimal, multiplyDecimals, parseDecimal, roundDecimal } from "../decimal.ts";
import type { Price } from "./price.ts";

/** One price on an invoice. A metered price's quantity is what its meter had counted when it was last looked at. */
export type InvoiceLine = {
  id: string;
  subscriptionItem: string;
  price: Price;
  periodStart: number;
  periodEnd: number;
  /** An exact decimal. */
  quantity: string;
};

type Parent = { id: string; subscription: string; livemode: boolean };

/** A line the way API 2026-10-28.endive shows it: its price is `pricing.price_details.price` (certain). */
export function lineObject(line: InvoiceLine, { id: invoice, subscription, livemode }: Parent) {
  const { price } = line;
  const amount = amountOf(line);
  return {
    id: line.id,
    object: "line_item",
    amount,
    currency: price.currency,
    description: null,
    discountable: true,
    discounts: [],
    invoice,
    livemode,
    metadata: {},
    parent: {
      type: "subscription_item_details",
      invoice_item_details: null,
      subscription_item_details: {
        invoice_item: null,
        proration: false,
        proration_details: { credited_items: null },
        subscription,
        subscription_item: line.subscriptionItem,
      },
    },
    period: { end: line.periodEnd, start: line.periodStart },
    pricing: {
      price_details: { price: price.id, product: price.product },
      type: "price_details",
      unit_amount_decimal: price.unitAmount,
    },
    // The whole number is the decimal one, cut off (SDK typings, certain).
    quantity: Math.trunc(Number(billedQuantity(line))),
    quantity_decimal: billedQuantity(line),
    subscription,
    subtotal: amount,
    taxes: [],
  };
}

/** The price of a line in the currency's smallest unit; that half a unit is rounded up is our guess. */
export function amountOf(line: InvoiceLine): number {
  const exact = multiplyDecimals(parseDecimal(billedQuantity(line)), parseDecimal(line.price.unitAmount));
  return Number(roundDecimal(exact));
}

/** A negative total of a period bills as 0 (docs.stripe.com/billing/subscriptions/usage-based/meters/configure, certain). */
function billedQuantity({ quantity }: InvoiceLine): string {
  return formatDecimal(atLeastZero(parseDecimal(quantity)));
}
