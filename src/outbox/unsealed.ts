import { type Kysely, sql } from "kysely";
import type { DB } from "../database/schema.ts";
import { meterNames } from "../usage/meters.ts";

/** `meter` is `unknown` where other services wrote a name that is no meter's: such entries are never sealed. */
export type UnsealedAmount = { meter: string; isHeld: boolean; entries: number; quantity: number };

/** How much lies in the outbox and is not sealed yet. Takes as long as there are such entries. */
export async function readUnsealedAmounts(db: Kysely<DB>): Promise<UnsealedAmount[]> {
  const amounts = await sql<UnsealedAmount>`
    select
      case when e.meter = any(${meterNames}) then e.meter else 'unknown' end as meter,
      s.stripe_customer_id is null as "isHeld",
      count(*)::float8 as entries,
      sum(e.quantity)::float8 as quantity
    from metering.meter_outbox e
    left join metering.subscriptions s on s.organization_id = e.organization_id
    where e.meter_event_id is null
    group by 1, 2
  `.execute(db);
  return amounts.rows;
}

export type UnsealedAge = { isHeld: boolean; ageSeconds: number };

/**
 * The age of the oldest unsealed entry: of organizations with a Stripe customer, and of those without, whose entries
 * are held. One probe of an index for each organization, however much is unsealed.
 */
export async function readUnsealedAges(db: Kysely<DB>): Promise<UnsealedAge[]> {
  const ages = await sql<UnsealedAge>`
    select
      s.stripe_customer_id is null as "isHeld",
      extract(epoch from now() - min(unsealed.occurred_at))::float8 as "ageSeconds"
    from metering.organizations o
    left join metering.subscriptions s on s.organization_id = o.id
    cross join lateral (
      select e.occurred_at
      from metering.meter_outbox e
      where e.organization_id = o.id and e.meter_event_id is null
      order by e.occurred_at
      limit 1
    ) unsealed
    group by 1
  `.execute(db);
  return ages.rows;
}
