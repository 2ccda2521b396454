import type { RecurringPrice } from "./price.ts";

/** One price of a subscription. A metered one has no quantity. */
export type SubscriptionItem = { id: string; price: RecurringPrice; quantity: number | null };
