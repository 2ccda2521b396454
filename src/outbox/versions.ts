import { type RawBuilder, sql } from "kysely";
import { namesOrganizations } from "../database/by-shard.ts";

/**
 * The meter event that stands for another now: itself, or what replaced it in the end. A row source with the columns id,
 * state, quantity and counted_before. Each step names the organization, and `inShard` where there are shards, so that a
 * cluster asks the organization's shard alone.
 */
export function latestVersion(
  organizationId: RawBuilder<unknown>,
  id: RawBuilder<unknown>,
  inShard = namesOrganizations(),
): RawBuilder<unknown> {
  return sql`(select * from ${versionsOf(organizationId, id, inShard)} version where replaced_by_id is null)`;
}

/** A meter event and the events that replaced it, one after the other. */
export function versionsOf(
  organizationId: RawBuilder<unknown>,
  id: RawBuilder<unknown>,
  inShard = namesOrganizations(),
): RawBuilder<unknown> {
  return sql`(
    with recursive versions as (
      -- Without an alias, which may be the one that the caller's id has.
      select id, state, quantity, counted_before, replaced_by_id
      from metering.meter_events
      where organization_id = ${organizationId} and id = ${id} ${inShard("meter_events")}
      union all
      select r.id, r.state, r.quantity, r.counted_before, r.replaced_by_id
      from versions v
      -- One by one, as a join might read all events of the organization.
      cross join lateral (
        select id, state, quantity, counted_before, replaced_by_id
        from metering.meter_events
        where organization_id = ${organizationId} and id = v.replaced_by_id ${inShard("meter_events")}
        limit 1
      ) r
    )
    select * from versions
  )`;
}

/**
 * Of usage `used` that the version `v` stands for: how much Stripe has of it. What a sum of Stripe's had of replaced events
 * is shared out over their usage, in whole units, where only some of it is asked for.
 */
export function countedOf(used: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`case
    when v.state = 'delivered' then ${used}
    else coalesce(floor(${used} * v.counted_before / nullif(v.quantity + v.counted_before, 0)), 0)
  end`;
}
