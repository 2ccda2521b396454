import { type RawBuilder, sql } from "kysely";
import {
  bucketAt,
  inWholeHours,
  isSealedUsage,
  ofPieces,
  unsealedOf,
  type UsageQuestion,
} from "./usage-parts.ts";
import { countedOf, latestVersion } from "./versions.ts";

/**
 * The usage of a `sum` meter by bucket and state. Events that were not replaced are added up by hour in one pass over their
 * index; those that were are few, and go with the entries of divided hours, each to its latest version.
 */
export function usageSums(question: UsageQuestion): RawBuilder<unknown> {
  const { organizationId, meter, buckets } = question;
  const pieces = ofPieces(question);
  return sql`
    with hours as materialized (
      select hour, state, sum(quantity) as quantity
      from metering.meter_events
      where organization_id = ${organizationId} and meter = ${meter} and ${inWholeHours(buckets)} and ${isSealedUsage}
      group by hour, state
    ),
    entries as (
      select ${bucketAt(sql`m.hour`, buckets)} as n, m.id as meter_event_id, m.quantity
      from hours h
      join metering.meter_events m
        on m.organization_id = ${organizationId} and m.meter = ${meter} and m.hour = h.hour and m.state = 'superseded'
      where h.state = 'superseded' and m.replaces_id is null and m.carried_from is null
      ${pieces === undefined ? sql`` : sql`union all select n, meter_event_id, quantity from (${pieces}) piece`}
    )
    select n, state, sum(quantity) as used, case when state = 'delivered' then sum(quantity) else 0 end as counted
    from (select ${bucketAt(sql`hour`, buckets)} as n, state, quantity from hours where state <> 'superseded') whole
    group by n, state
    union all
    select n, 'pending', sum(quantity), 0 from (${unsealedOf(question)}) unsealed group by n
    union all
    select e.n, coalesce(v.state, 'pending'), sum(e.quantity), ${countedOf(sql`sum(e.quantity)`)}
    from (select n, meter_event_id, sum(quantity) as quantity from entries group by n, meter_event_id) e
    left join lateral ${latestVersion(sql`${organizationId}::uuid`, sql`e.meter_event_id`)} v on true
    group by e.n, v.id, v.state, v.quantity, v.counted_before
  `;
}
