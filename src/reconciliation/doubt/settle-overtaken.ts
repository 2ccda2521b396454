import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import { joinByIndex } from "../../database/one-plan.ts";
import { metersFoldedBy } from "../../usage/meters.ts";
import { lockDoubt } from "./lock-doubt.ts";
import { doubtfulEvents } from "./list-doubt.ts";

type Overtaken = { organizationId: string; ids: string[] };

/**
 * Supersedes gauge values in doubt that a newer one of the same billing period has overtaken: only the last value of a
 * period is billed, so that no sum need be asked. Returns how many.
 */
export async function settleOvertaken(db: Db): Promise<number> {
  return db.transaction().execute(async (trx) => {
    await joinByIndex(trx);
    const { rows } = await sql<Overtaken>`
      select m.organization_id as "organizationId", array_agg(m.id) as ids
      from ${doubtfulEvents} m
      where m.meter = any(${metersFoldedBy("last")})
        and exists (
          select from metering.meter_events newer
          where newer.organization_id = m.organization_id and newer.meter = m.meter and newer.hour >= m.hour
            and (newer.event_at, newer.id) > (m.event_at, m.id)
            and newer.state in ('pending', 'delivered', 'in_doubt')
            and newer.stripe_customer_id = m.stripe_customer_id
            -- The last value of a period is still wanted when the next period has begun.
            and not exists (
              select from metering.billing_periods p
              cross join lateral (values (p.period_start), (p.period_end)) edge (at)
              where p.organization_id = m.organization_id and m.event_at < edge.at and newer.event_at >= edge.at
            )
            -- So it is where another subscription of the customer may bill the gauge, of whose period no invoice is known yet.
            and not exists (
              select from metering.subscriptions s
              cross join lateral unnest(s.other_bounds) edge (at)
              where s.organization_id = m.organization_id and m.event_at < edge.at and newer.event_at >= edge.at
            )
        )
      group by m.organization_id
    `.execute(trx);
    let count = 0;
    for (const { organizationId, ids } of rows) {
      await lockDoubt(trx, organizationId, ids);
      // Read apart: a cluster would call the function on the node of what its argument reads.
      const doubted = await sql<{ id: string }>`
        select id from metering.meter_events
        where organization_id = ${organizationId} and id = any(${ids}::uuid[])
          and (state = 'in_doubt' or state = 'delivered' and reconcile_since is not null)
      `.execute(trx);
      const settled = await sql`
        select from metering.settle_doubt(
          ${organizationId}::uuid, ${doubted.rows.map(({ id }) => id)}::uuid[], 'overtaken', null, null
        )
      `.execute(trx);
      count += settled.rows.length;
    }
    return count;
  });
}
