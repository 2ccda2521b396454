import { addQuantities, compareQuantities } from "../../usage/quantity.ts";

/** A meter event of a closed period that Stripe has counted. */
export type DeliveredEvent = { quantity: string; deliveredAt: Date; entries: number };

/** Usage that an invoice was finalized without, and that Stripe has in its sum of the period. */
export type LateDelivery = { quantity: string; entries: number };

/** Stripe counts what it takes within about so long: what was delivered just before the finalization may be late, too. */
const lagMs = 15 * 60_000;

/**
 * Whether what an invoice lacks is exactly what came last: the events that were delivered after it was final, and perhaps
 * some of the minutes before, the youngest first. Then all of it may be billed in a later period. Any other amount has
 * another cause (a changed plan, an item that was deleted, a discount of quantity), and is left to people. Pure.
 */
export function findLateDelivery(
  missing: string,
  delivered: readonly DeliveredEvent[],
  finalizedAt: Date,
): LateDelivery | undefined {
  if (compareQuantities(missing, "0") <= 0) return undefined;
  const youngestFirst = delivered.toSorted((a, b) => b.deliveredAt.getTime() - a.deliveredAt.getTime());
  let quantity = "0";
  let entries = 0;
  for (const [index, event] of youngestFirst.entries()) {
    if (event.deliveredAt.getTime() < finalizedAt.getTime() - lagMs) return undefined;
    quantity = addQuantities([quantity, event.quantity]);
    entries += event.entries;
    const next = youngestFirst[index + 1];
    const isNextLate = next !== undefined && next.deliveredAt >= finalizedAt;
    if (compareQuantities(quantity, missing) === 0 && !isNextLate) return { quantity, entries };
    if (compareQuantities(quantity, missing) > 0) return undefined;
  }
  return undefined;
}
