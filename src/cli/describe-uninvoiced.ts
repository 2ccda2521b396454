import type { UninvoicedUsage } from "../outbox/uninvoiced.ts";

/** Usage that no invoice will have, for people; null: none. */
export function describeUninvoiced(usage: readonly UninvoicedUsage[]): string | null {
  if (usage.length === 0) return null;
  return usage
    .map(({ meter, reason, quantity }) => `${quantity} of ${meter} (${reason.replaceAll("_", " ")})`)
    .join(", ");
}
