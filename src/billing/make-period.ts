import { type RawBuilder, sql } from "kysely";
import type { Trx } from "../database/db.ts";

/** Names a billing period. */
export type PeriodKey = { organizationId: string; start: Date };

export type NewPeriod = PeriodKey & { end: Date; customer: string; subscriptionId: string | null };

/** Of a period `p`: it begins with this time. Periods that begin together lie milliseconds apart; Stripe tells whole seconds. */
export function beginsWith(start: Date): RawBuilder<boolean> {
  return sql<boolean>`p.period_start >= ${start} and p.period_start < ${start}::timestamptz + interval '1 second'`;
}

/** Undefined: another transaction made a period with this beginning meanwhile, which may be the wanted one. */
export async function makePeriod(
  trx: Trx,
  { organizationId, start, end, customer, subscriptionId }: NewPeriod,
): Promise<PeriodKey | undefined> {
  const together = await sql<{ count: number }>`
    select count(*)::int as count
    from metering.billing_periods p
    where p.organization_id = ${organizationId} and ${beginsWith(start)}
  `.execute(trx);
  const free = new Date(start.getTime() + (together.rows[0]?.count ?? 0));
  const made = await sql<PeriodKey>`
    insert into metering.billing_periods as p (
      organization_id, period_start, period_end, stripe_customer_id, stripe_subscription_id
    )
    values (${organizationId}, ${free}, ${end}, ${customer}, ${subscriptionId})
    on conflict (organization_id, period_start) do nothing
    returning organization_id as "organizationId", period_start as start
  `.execute(trx);
  return made.rows[0];
}
