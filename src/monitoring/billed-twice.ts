import { sql } from "kysely";
import { billedStatuses } from "../billing/invoice-usage.ts";
import type { Db, Trx } from "../database/db.ts";
import { inTransaction } from "../database/in-transaction.ts";

/** It is told for so long after its periods ended. */
const toldDays = 35;

const statuses = ["draft", ...billedStatuses];

/**
 * Usage of a meter that is on the invoices of two subscriptions, drafts included, as rows `t`: Stripe bills it by each
 * subscription that has a price for the meter. An invoice bills no usage after it was made, and two that overlap by a time
 * without usage, as where one subscription took the place of another, bill none twice. Customers with one subscription are left
 * out before any are compared. And usage that two prices of one subscription bill.
 */
const billedTwice = sql`
  with periods as materialized (
    select * from metering.billing_periods where period_end > now() - make_interval(days => ${toldDays})
  ),
  invoices as materialized (
    select
      p.organization_id, p.stripe_customer_id, i.stripe_subscription_id, p.period_start, i.invoiced, i.billed_twice,
      least(p.period_end, i.created_at) as billed_until
    from periods p
    join metering.billing_invoices i on i.organization_id = p.organization_id and i.period_start = p.period_start
    where i.status = any(${statuses}::text[])
  ),
  of_several as materialized (
    select organization_id from invoices group by organization_id having count(distinct stripe_subscription_id) > 1
  ),
  billed as (
    select i.*, line.key as meter
    from of_several
    join invoices i using (organization_id)
    cross join lateral jsonb_each_text(i.invoiced) line
    where line.value::numeric > 0
  ),
  t as (
    select distinct
      one.organization_id, one.stripe_customer_id, one.meter, one.stripe_subscription_id as one,
      other.stripe_subscription_id as other
    from billed one
    join billed other
      on other.organization_id = one.organization_id and other.stripe_customer_id = one.stripe_customer_id
      and other.meter = one.meter and other.stripe_subscription_id > one.stripe_subscription_id
      and other.period_start < one.billed_until and other.billed_until > one.period_start
    join metering.meter_events e
      on e.organization_id = one.organization_id and e.meter = one.meter and e.stripe_customer_id = one.stripe_customer_id
      and e.hour > greatest(one.period_start, other.period_start) - interval '1 hour'
      and e.hour < least(one.billed_until, other.billed_until)
      and e.event_at >= greatest(one.period_start, other.period_start)
      and e.event_at < least(one.billed_until, other.billed_until) and e.state = 'delivered'
    union
    select i.organization_id, i.stripe_customer_id, meter, i.stripe_subscription_id, i.stripe_subscription_id
    from invoices i
    cross join lateral unnest(i.billed_twice) meter
    where i.stripe_subscription_id is not null
  )
`;

/** How many organizations' usage of a meter two subscriptions, or two prices of one, bill. */
export async function countBilledTwice(db: Db): Promise<number> {
  const counted = await byOneIndex(db, (trx) =>
    sql<{ count: number }>`
      ${billedTwice} select count(distinct t.organization_id)::float8 as count from t
    `.execute(trx),
  );
  return counted.rows[0]?.count ?? 0;
}

export type BilledTwice = {
  organizationId: string;
  customer: string;
  meter: string;
  /** One, where two prices of it bill the meter. */
  subscriptionIds: string[];
};

/** The same, each pair of subscriptions or each one. */
export async function listBilledTwice(db: Db, { limit }: { limit: number }): Promise<BilledTwice[]> {
  const listed = await byOneIndex(db, (trx) =>
    sql<BilledTwice>`
    ${billedTwice}
    select
      t.organization_id as "organizationId", t.stripe_customer_id as customer, t.meter,
      case when t.one = t.other then array[t.one] else array[t.one, t.other] end as "subscriptionIds"
    from t
    order by t.organization_id, t.meter, t.one, t.other
    limit ${limit}
  `.execute(trx),
  );
  return listed.rows;
}

/**
 * Runs `work` without bitmaps: where one organization has nearly all meter events, the planner would read all of them by their
 * key, beside those of the shared hours.
 */
function byOneIndex<T>(db: Db, work: (trx: Trx) => Promise<T>): Promise<T> {
  return inTransaction(db, async (trx) => {
    await sql`select set_config('enable_bitmapscan', 'off', true)`.execute(trx);
    return work(trx);
  });
}
