import { sql } from "kysely";

/**
 * Up to when each organization's usage has a customer who pays for it: for ever while it is linked to one. What came at
 * that time or later is held. The spans leave no gap before it.
 */
export const billedUntil = sql`(
  select organization_id, max(ends_at) as billed_until from metering.customer_spans group by organization_id
)`;

/** Joins what `isHeld` reads to the entries `e`. */
export const joinBilledUntil = sql`left join ${billedUntil} b on b.organization_id = e.organization_id`;

/** Of the entry `e`: whether it waits for a customer. */
export const isHeld = sql<boolean>`coalesce(e.occurred_at >= b.billed_until, true)`;
