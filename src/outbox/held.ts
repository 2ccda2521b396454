import { sql } from "kysely";

/**
 * Until when each organization's usage has a paying customer: for ever while it is linked to one. Usage of that time or
 * later is held. The spans leave no gap before it.
 */
export const billedUntil = sql`(
  select organization_id, max(coalesce(ended_at, 'infinity')) as billed_until
  from metering.customer_links
  where customer_deleted_at is null
  group by organization_id
)`;

/** Joins the tables that `isHeld` reads to the entries `e`. */
export const joinBilledUntil = sql`left join ${billedUntil} b on b.organization_id = e.organization_id`;

/** Whether the entry `e` waits for a customer. */
export const isHeld = sql<boolean>`coalesce(e.occurred_at >= b.billed_until, true)`;
