import { type RawBuilder, sql } from "kysely";
import { eventsBesideSums, sumsByHour } from "./sums.ts";
import { ofDividedHours } from "./usage-divided.ts";
import { bucketAt, inWholeHours, unsealedOf, type UsageQuestion } from "./usage-parts.ts";
import { countedOf, latestVersion } from "./versions.ts";
import { startOfHour } from "./whole-hours.ts";

/**
 * The usage of a `sum` meter by bucket and state: the sums of whole hours, as if all of them were delivered; events that the
 * sums lack or that are not delivered, one by one; and what is not sealed. Of hours that edges divide, the sums of their
 * quarters where all is delivered, and else the entries; events that were replaced go with the entries, each to its latest
 * version.
 */
export function usageSums(question: UsageQuestion, summedThrough: string | null): RawBuilder<unknown> {
  const { meter, buckets } = question;
  const { starts, end } = buckets;
  const organizationId = sql`${question.organizationId}::uuid`;
  const usage = { organizationId, meter: sql`${meter}`, summedThrough };
  const hours = { from: sql`${startOfHour(new Date(starts[0] ?? end))}`, to: sql`${new Date(end)}` };
  const divided = ofDividedHours(question, summedThrough);
  return sql`
    with summed as (${sumsByHour(usage, hours)}),
    usage_beside as materialized (
      select id, hour, state, quantity, is_summed from (${eventsBesideSums(usage, hours)}) event where is_usage
    ),
    beside as materialized (
      select ${bucketAt(sql`hour`, buckets)} as n, id, state, quantity, is_summed
      from usage_beside
      where ${inWholeHours(buckets)}
    ),
    ${divided.hours},
    -- What is at Stripe needs no look at its event: of those in hours that edges divide, nearly all. As a list that is hashed
    -- once, since a join of two sizes that are not known may compare each with each.
    pieces as materialized (
      select n, case when not is_delivered then meter_event_id end as meter_event_id, is_delivered, sum(quantity) as quantity
      from (
        select n, meter_event_id, quantity,
          meter_event_id is not null
            and meter_event_id not in (select id from usage_beside where state <> 'delivered') as is_delivered
        from (${divided.entries}) piece
      ) told
      group by 1, 2, 3
    ),
    entries as (
      select n, id as meter_event_id, quantity from beside where state = 'superseded'
      union all
      select n, meter_event_id, quantity from pieces where not is_delivered
    )
    select n, 'delivered', quantity, quantity
    from (
      select ${bucketAt(sql`hour`, buckets)} as n, quantity from summed where ${inWholeHours(buckets)}
      union all
      select n, quantity from (${divided.quarters}) quarter
      union all
      select n, -quantity from beside where is_summed
    ) delivered
    union all
    select n, 'delivered', quantity, quantity from pieces where is_delivered
    union all
    select n, state, sum(quantity), case when state = 'delivered' then sum(quantity) else 0 end
    from beside
    where state <> 'superseded'
    group by n, state
    union all
    select n, 'pending', sum(quantity), 0
    from (${unsealedOf(question)}) unsealed
    where hour not in (select hour from open_hours)
    group by n
    union all
    select e.n, coalesce(v.state, 'pending'), sum(e.quantity), ${countedOf(sql`sum(e.quantity)`)}
    from (select n, meter_event_id, sum(quantity) as quantity from entries group by n, meter_event_id) e
    left join lateral ${latestVersion(organizationId, sql`e.meter_event_id`)} v on true
    group by e.n, v.id, v.state, v.quantity, v.counted_before
  `;
}
