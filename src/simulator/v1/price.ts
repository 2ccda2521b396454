/** How often a price is charged. */
export type Interval = { unit: "day" | "week" | "month" | "year"; count: number };

/** How a recurring price is counted: licensed by a quantity, metered by the usage that its meter has taken. */
export type Recurring = { interval: Interval } & (
  | { usageType: "licensed"; meter: null }
  | { usageType: "metered"; meter: string }
);

/** A price. Only what can change at Stripe changes here: active, nickname, lookup key and metadata. */
export type Price = {
  id: string;
  product: string;
  active: boolean;
  currency: string;
  /** In the currency's smallest unit; a decimal with up to 12 places. */
  unitAmount: string;
  recurring: Recurring | null;
  nickname: string | null;
  lookupKey: string | null;
  livemode: boolean;
  createdAt: number;
  metadata: Record<string, string>;
};

/** A price that a subscription can have. */
export type RecurringPrice = Price & { recurring: Recurring };

/** A price the way API 2026-10-28.endive shows it, alone or in a subscription's item. */
export function priceObject(price: Price) {
  const { recurring } = price;
  return {
    id: price.id,
    object: "price",
    active: price.active,
    billing_scheme: "per_unit",
    created: price.createdAt,
    currency: price.currency,
    custom_unit_amount: null,
    livemode: price.livemode,
    lookup_key: price.lookupKey,
    metadata: price.metadata,
    nickname: price.nickname,
    product: price.product,
    recurring: recurring === null ? null : recurringObject(recurring),
    tax_behavior: "unspecified",
    tiers_mode: null,
    transform_quantity: null,
    type: recurring === null ? "one_time" : "recurring",
    unit_amount: /^\d+$/.test(price.unitAmount) ? Number(price.unitAmount) : null,
    unit_amount_decimal: price.unitAmount,
  };
}

function recurringObject({ interval, usageType, meter }: Recurring) {
  return {
    interval: interval.unit,
    interval_count: interval.count,
    meter,
    trial_period_days: null,
    usage_type: usageType,
  };
}
