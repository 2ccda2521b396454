import { sql } from "kysely";
import { type InShard, namesOrganizations } from "../database/by-shard.ts";
import type { Db } from "../database/db.ts";
import { listShardGroups } from "../database/shard-groups.ts";
import { billedUntil } from "./held.ts";

/**
 * What was taken in, by `minute` and `meter`: `entries` and `quantity`. A subquery. Reads one range of the outbox's key for
 * each organization, whatever else the outbox holds.
 */
export function takenByMinute({ from, to }: { from: Date; to: Date }) {
  return sql`(
    select date_trunc('minute', e.occurred_at, 'UTC') as minute, e.meter, count(*) as entries, sum(e.quantity) as quantity
    from metering.meter_outbox e
    -- As a list, so that no plan reads the key of all organizations from end to end.
    where e.organization_id = any(array(select id from metering.organizations))
      and e.occurred_at >= ${from} and e.occurred_at < ${to}
    group by 1, 2
  )`;
}

/** Entries of a meter that wait for the seal. `seconds`: how long the oldest with a paying customer waits. */
export type DueOfMeter = { meter: string; entries: number; seconds: number };

/**
 * The entries that wait for the seal, by meter. Reads so many unsealed entries at most, on each shard of a cluster, held ones
 * too; where there are more, `entries` counts the ones it read, and the oldest is found by one index entry of each
 * organization and month.
 */
export async function readDueByMeter(
  db: Db,
  meters: readonly string[],
  { readMax }: { readMax: number },
): Promise<DueOfMeter[]> {
  const due: DueOfMeter[] = [];
  for (const shard of await listShardGroups(db)) {
    due.push(...(await readDueOnShard(db, { meters, readMax, inShard: namesOrganizations(shard) })));
  }
  return meters.map((meter) => {
    const its = due.filter((one) => one.meter === meter);
    return {
      meter,
      entries: its.reduce((sum, { entries }) => sum + entries, 0),
      seconds: Math.max(0, ...its.map(({ seconds }) => seconds)),
    };
  });
}

type Part = { meters: readonly string[]; readMax: number; inShard: InShard };

async function readDueOnShard(db: Db, { meters, readMax, inShard }: Part): Promise<DueOfMeter[]> {
  const due = await sql<DueOfMeter>`
    with billed as materialized (
      select organization_id, billed_until from ${billedUntil} b where true ${inShard("b")}
    ),
    unsealed as materialized (
      select e.meter, e.organization_id, e.occurred_at
      from metering.meter_outbox e
      where e.meter_event_id is null and e.meter = any(${meters}) ${inShard("e")}
      limit ${readMax}
    ),
    due as (
      select u.meter, count(*) as entries, min(u.occurred_at) as oldest_at
      from unsealed u
      join billed b on b.organization_id = u.organization_id and u.occurred_at < b.billed_until
      group by 1
    ),
    dated as (
      select
        m.meter, coalesce(d.entries, 0) as entries,
        case when (select count(*) from unsealed) < ${readMax} then d.oldest_at
        else (
          select min(oldest.occurred_at)
          from billed b
          cross join lateral (
            select e.occurred_at
            from metering.meter_outbox e
            where e.meter_event_id is null and e.meter = m.meter and e.organization_id = b.organization_id ${inShard("e")}
              and e.occurred_at < b.billed_until and e.occurred_at > '-infinity'
            order by e.occurred_at
            limit 1
          ) oldest
        ) end as oldest_at
      from unnest(${meters}::text[]) m (meter)
      left join due d on d.meter = m.meter
    )
    select
      meter, entries::float8 as entries,
      coalesce(greatest(extract(epoch from now() - oldest_at), 0), 0)::float8 as seconds
    from dated
  `.execute(db);
  return due.rows;
}
