import { type RawBuilder, sql } from "kysely";
import { eventsBesideSums, sumsByHour } from "./sums.ts";
import { bucketAt, inWholeHours, ofPieces, unsealedOf, type UsageQuestion } from "./usage-parts.ts";
import { countedOf, latestVersion } from "./versions.ts";

/**
 * The usage of a `sum` meter by bucket and state: the sums of whole hours, as if all of them were delivered; events that the
 * sums lack or that are not delivered, one by one; and what is not sealed. Events that were replaced go with the entries of
 * divided hours, each to its latest version.
 */
export function usageSums(question: UsageQuestion, summedThrough: string | null): RawBuilder<unknown> {
  const { meter, buckets } = question;
  const { starts, end } = buckets;
  const organizationId = sql`${question.organizationId}::uuid`;
  const usage = { organizationId, meter: sql`${meter}`, summedThrough };
  const hours = { from: sql`${new Date(starts[0] ?? end)}`, to: sql`${new Date(end)}` };
  const pieces = ofPieces(question);
  return sql`
    with beside as materialized (
      select ${bucketAt(sql`hour`, buckets)} as n, id, state, quantity, is_summed
      from (${eventsBesideSums(usage, hours)}) event
      where is_usage and ${inWholeHours(buckets)}
    ),
    entries as (
      select n, id as meter_event_id, quantity from beside where state = 'superseded'
      ${pieces === undefined ? sql`` : sql`union all select n, meter_event_id, quantity from (${pieces}) piece`}
    )
    select n, 'delivered', sum(quantity) as used, sum(quantity) as counted
    from (
      select ${bucketAt(sql`hour`, buckets)} as n, quantity
      from (${sumsByHour(usage, hours)}) summed
      where ${inWholeHours(buckets)}
      union all
      select n, -quantity from beside where is_summed
    ) delivered
    group by n
    union all
    select n, state, sum(quantity), case when state = 'delivered' then sum(quantity) else 0 end
    from beside
    where state <> 'superseded'
    group by n, state
    union all
    select n, 'pending', sum(quantity), 0 from (${unsealedOf(question)}) unsealed group by n
    union all
    select e.n, coalesce(v.state, 'pending'), sum(e.quantity), ${countedOf(sql`sum(e.quantity)`)}
    from (select n, meter_event_id, sum(quantity) as quantity from entries group by n, meter_event_id) e
    left join lateral ${latestVersion(organizationId, sql`e.meter_event_id`)} v on true
    group by e.n, v.id, v.state, v.quantity, v.counted_before
  `;
}
