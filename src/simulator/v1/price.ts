import type { Simulation } from "../state.ts";
import type { Subscription } from "./subscription.ts";

/** A monthly price. Usage that a meter counts is billed by the price that names the meter. */
export type Price = {
  id: string;
  createdAt: number;
  livemode: boolean;
  currency: string;
  product: string;
  unitAmountDecimal: string;
  /** Null: licensed, so billed by quantity. */
  meter: string | null;
};

/** A price the way API 2026-10-28.endive shows it. Fields that say nothing about usage are left out. */
export function priceObject(price: Price) {
  return {
    id: price.id,
    object: "price",
    active: true,
    billing_scheme: "per_unit",
    created: price.createdAt,
    currency: price.currency,
    livemode: price.livemode,
    product: price.product,
    recurring: recurringOf(price.meter),
    type: "recurring",
    unit_amount_decimal: price.unitAmountDecimal,
  };
}

/** A subscription item that has this price. Of a price that was never made here nothing but a month is known. */
export function newItem({ prices, nextId }: Simulation, price: string): Subscription["items"][number] {
  return { id: nextId("si"), price, meter: prices.get(price)?.meter ?? null };
}

/** How often a price bills, and by which meter. */
export function recurringOf(meter: string | null) {
  return {
    interval: "month",
    interval_count: 1,
    meter,
    usage_type: meter === null ? "licensed" : "metered",
  };
}
