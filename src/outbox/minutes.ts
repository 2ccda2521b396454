import { sql } from "kysely";
import { billedUntil } from "./held.ts";

/**
 * What was taken in, by `minute` and `meter`: `entries` and `quantity`. A subquery. Reads one range of the outbox's key for
 * each organization, whatever else the outbox holds.
 */
export function takenByMinute({ from, to }: { from: Date; to: Date }) {
  return sql`(
    select e.minute, e.meter, sum(e.entries) as entries, sum(e.quantity) as quantity
    from metering.organizations o
    cross join lateral (
      select date_trunc('minute', occurred_at, 'UTC') as minute, meter, count(*) as entries, sum(quantity) as quantity
      from metering.meter_outbox
      where organization_id = o.id and occurred_at >= ${from} and occurred_at < ${to}
      group by 1, 2
    ) e
    group by 1, 2
  )`;
}

/**
 * Rows of `occurred_at` of entries of a meter (an expression) that wait for the seal and have a paying customer, of each
 * organization the oldest first and `ofEachMax` at most. Follows `select … from`. The order keeps the subquery apart, so that
 * each organization's range of the index is read, and none beside it.
 */
export function dueEntries(meter: ReturnType<typeof sql>, { ofEachMax }: { ofEachMax: number | null }) {
  return sql`
    ${billedUntil} b
    cross join lateral (
      select e.occurred_at
      from metering.meter_outbox e
      where e.meter_event_id is null and e.meter = ${meter} and e.organization_id = b.organization_id
        and e.occurred_at < b.billed_until and e.occurred_at > '-infinity'
      order by e.occurred_at
      limit ${ofEachMax}
    ) due`;
}
