import { type RawBuilder, sql } from "kysely";
import type { MeterEventKey } from "../usage/meter-event-key.ts";

/**
 * The meter event that stands for another now: itself, or what replaced it in the end. A row source with the columns id,
 * state, quantity and counted_before; the walk is in the SQL function, for all who ask.
 */
export function latestVersion(
  organizationId: RawBuilder<unknown>,
  id: RawBuilder<unknown>,
): RawBuilder<unknown> {
  return sql`(select * from metering.versions_of(${organizationId}, ${id}) where replaced_by_id is null)`;
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

/** The events that the seal stamped an event's entries with: itself or, where it replaces others, the first of these. */
export function sealedEventsOf({ organizationId, meterEventId }: MeterEventKey): RawBuilder<string> {
  return sql`(select id from metering.sealed_versions(${organizationId}::uuid, ${meterEventId}::uuid))`;
}
