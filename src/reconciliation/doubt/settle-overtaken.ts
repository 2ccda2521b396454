import { sql } from "kysely";
import { type InShard, namesOrganizations } from "../../database/by-shard.ts";
import type { Db, Trx } from "../../database/db.ts";
import { joinByIndex } from "../../database/one-plan.ts";
import { onEachShardGroup } from "../../database/shard-groups.ts";
import { metersFoldedBy } from "../../usage/meters.ts";
import { lockDoubt } from "./lock-doubt.ts";
import { doubtfulEvents } from "./list-doubt.ts";

type Overtaken = { organizationId: string; ids: string[] };

/**
 * Supersedes gauge values in doubt that a newer one of the same billing period has overtaken: only the last value of a
 * period is billed, so that no sum need be asked. Each shard of a cluster in a transaction of its own. Returns how many, and
 * why organizations of some shards are left out.
 */
export async function settleOvertaken(db: Db): Promise<{ count: number; faults: unknown[] }> {
  const { done, errors } = await onEachShardGroup(db, {}, (shard) =>
    db.transaction().execute((trx) => settleOnShard(trx, namesOrganizations(shard))),
  );
  return { count: done.reduce((sum, count) => sum + count, 0), faults: errors };
}

async function settleOnShard(trx: Trx, inShard: InShard): Promise<number> {
  await joinByIndex(trx);
  const { rows } = await sql<Overtaken>`
    select m.organization_id as "organizationId", array_agg(m.id) as ids
    from ${doubtfulEvents(inShard)} m
    where m.meter = any(${metersFoldedBy("last")})
      and exists (
        select from metering.meter_events newer
        where newer.organization_id = m.organization_id and newer.meter = m.meter and newer.hour >= m.hour
          and (newer.event_at, newer.id) > (m.event_at, m.id)
          and newer.state in ('pending', 'delivered', 'in_doubt')
          and newer.stripe_customer_id = m.stripe_customer_id ${inShard("newer")}
          -- The last value of a period is still wanted when the next period has begun.
          and not exists (
            select from metering.billing_periods p
            cross join lateral (values (p.period_start), (p.period_end)) edge (at)
            where p.organization_id = m.organization_id and m.event_at < edge.at and newer.event_at >= edge.at
              ${inShard("p")}
          )
          -- So it is where another subscription of the customer may bill the gauge, of whose period no invoice is known yet.
          and not exists (
            select from metering.subscriptions s
            cross join lateral unnest(s.other_bounds) edge (at)
            where s.organization_id = m.organization_id and m.event_at < edge.at and newer.event_at >= edge.at
              ${inShard("s")}
          )
      )
    group by m.organization_id
  `.execute(trx);
  let count = 0;
  for (const overtaken of rows) count += await settle(trx, overtaken);
  return count;
}

async function settle(trx: Trx, { organizationId, ids }: Overtaken): Promise<number> {
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
  return settled.rows.length;
}
