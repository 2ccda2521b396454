import { sql } from "kysely";
import { billedStatuses } from "../billing/invoice-usage.ts";
import type { Db } from "../database/db.ts";

/** Invoices are told of for so long after they were made. */
const toldDays = 35;

/**
 * How many organizations' usage of a meter is on the invoices of two subscriptions for the same time, drafts included: Stripe
 * bills it by each subscription that has a price for the meter.
 */
export async function countBilledTwice(db: Db): Promise<number> {
  const statuses = ["draft", ...billedStatuses];
  const counted = await sql<{ count: number }>`
    with billed as (
      select i.organization_id, i.stripe_customer_id, i.stripe_subscription_id, p.period_start, p.period_end, line.key as meter
      from metering.billing_invoices i
      join metering.billing_periods p on p.organization_id = i.organization_id and p.period_start = i.period_start
      cross join lateral jsonb_each_text(i.invoiced) line
      where i.created_at > now() - make_interval(days => ${toldDays}) and i.status = any(${statuses}::text[])
        and line.value::numeric > 0
    )
    select count(distinct one.organization_id)::float8 as count
    from billed one
    join billed other
      on other.organization_id = one.organization_id and other.stripe_customer_id = one.stripe_customer_id
      and other.meter = one.meter and other.stripe_subscription_id > one.stripe_subscription_id
      and other.period_start < one.period_end and other.period_end > one.period_start
  `.execute(db);
  return counted.rows[0]?.count ?? 0;
}
