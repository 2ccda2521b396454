import { sql } from "kysely";
import { namesOrganizations, type ShardInput } from "../database/by-shard.ts";
import type { Db, Trx } from "../database/db.ts";
import { joinByIndex } from "../database/one-plan.ts";
import { inTransaction } from "../database/in-transaction.ts";
import { groupOrganizations } from "../database/shard-groups.ts";
import type { MeterName } from "../usage/meters.ts";

/** An organization, and the period whose usage is wanted; half-open. */
export type WantedTotal = { organizationId: string; from: Date; to: Date };

/** One meter's usage of an organization. Quantities are decimal strings. */
export type OrganizationTotal = {
  organizationId: string;
  /** Used in the period. */
  used: string;
  /** Waits for a Stripe customer, of whatever time. */
  held: string;
  /** Since when the oldest of it waits; null: nothing is held. */
  heldSince: Date | null;
  /** So many entries wait for their seal that not all were added up: the quantities are at least those. */
  isMore: boolean;
  /** When the latest usage arrived; null: never. */
  latestAt: Date | null;
};

/** As many entries of an organization that are not sealed are added up: one that is held may have millions. */
const entriesMax = 1_000;

/**
 * The usage of one meter that is a sum, for a page of organizations: of each, its meter events of the period by one index, and
 * of its unsealed entries a bounded number by another. So a page costs the same among many organizations and much usage as
 * among few. Usage that retention has left to meter events counts as theirs.
 */
export async function readOrganizationTotals(
  db: Db,
  meter: MeterName,
  wanted: readonly WantedTotal[],
): Promise<OrganizationTotal[]> {
  if (wanted.length === 0) return [];
  const shards = await groupOrganizations(
    db,
    wanted.map(({ organizationId }) => organizationId),
  );
  const totals = await inTransaction(db, async (trx) => {
    await joinByIndex(trx);
    const found: OrganizationTotal[] = [];
    for (const shard of shards) found.push(...(await readTotals(trx, { meter, wanted, shard })));
    return found;
  });
  const byId = new Map(totals.map((total) => [total.organizationId, total]));
  return wanted.flatMap(({ organizationId }) => byId.get(organizationId) ?? []);
}

type Part = { meter: MeterName; wanted: readonly WantedTotal[]; shard: ShardInput };

async function readTotals(trx: Trx, { meter, wanted: all, shard }: Part): Promise<OrganizationTotal[]> {
  const inShard = namesOrganizations(shard);
  const ids = new Set(shard.organizations.map(({ organizationId }) => organizationId));
  const wanted = all.filter(({ organizationId }) => ids.has(organizationId));
  const totals = await sql<OrganizationTotal>`
    select
      p.id as "organizationId", (sealed.quantity + unsealed.of_period)::text as used, unsealed.held::text as held,
      waiting.occurred_at as "heldSince", unsealed.entries > ${entriesMax} as "isMore", greatest(newest.event_at, latest.occurred_at) as "latestAt"
    from unnest(
      ${wanted.map(({ organizationId }) => organizationId)}::uuid[],
      ${wanted.map(({ from }) => from)}::timestamptz[], ${wanted.map(({ to }) => to)}::timestamptz[]
    ) p (id, starts_at, ends_at)
    cross join lateral (
      select coalesce(sum(e.quantity), 0) as quantity
      from metering.meter_events e
      where e.organization_id = p.id ${inShard("e")} and e.meter = ${meter}
        and e.hour > p.starts_at - interval '1 hour' and e.hour < p.ends_at
        and e.event_at >= p.starts_at and e.event_at < p.ends_at
        -- An event that replaces another, or carries usage of an earlier period, counts nothing anew.
        and e.replaces_id is null and e.carried_from is null
    ) sealed
    cross join lateral (
      select coalesce(max(w.ends_at), '-infinity') as until
      from metering.customer_spans w
      where w.organization_id = p.id ${inShard("w")}
    ) billed
    cross join lateral (
      select
        count(*) as entries,
        coalesce(sum(e.quantity) filter (where e.occurred_at >= p.starts_at and e.occurred_at < p.ends_at), 0) as of_period,
        coalesce(sum(e.quantity) filter (where e.occurred_at >= billed.until), 0) as held
      from (
        select o.quantity, o.occurred_at
        from metering.meter_outbox o
        where o.organization_id = p.id ${inShard("o")} and o.meter = ${meter} and o.meter_event_id is null
        order by o.occurred_at desc
        limit ${entriesMax + 1}
      ) e
    ) unsealed
    left join lateral (
      select o.occurred_at
      from metering.meter_outbox o
      where o.organization_id = p.id ${inShard("o")} and o.meter = ${meter} and o.meter_event_id is null
        and o.occurred_at >= billed.until
      order by o.occurred_at
      limit 1
    ) waiting on true
    left join lateral (
      select e.event_at
      from metering.meter_events e
      where e.organization_id = p.id ${inShard("e")} and e.meter = ${meter} and e.replaces_id is null and e.carried_from is null
      order by e.hour desc, e.event_at desc
      limit 1
    ) newest on true
    left join lateral (
      select o.occurred_at
      from metering.meter_outbox o
      where o.organization_id = p.id ${inShard("o")} and o.meter = ${meter} and o.meter_event_id is null
      order by o.occurred_at desc
      limit 1
    ) latest on true
  `.execute(trx);
  return totals.rows;
}
