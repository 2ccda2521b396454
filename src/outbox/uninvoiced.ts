import { sql } from "kysely";
import { byIndex } from "../database/one-plan.ts";
import type { Db } from "../database/db.ts";
import { type MeterName, meterNames, metersFoldedBy } from "../usage/meters.ts";

/** Why no invoice has usage: the customer's subscription begins later, has ended, or bills none of our meters. */
export const uninvoicedReasons = ["before_subscription", "after_subscription", "no_subscription"] as const;
type UninvoicedReason = (typeof uninvoicedReasons)[number];

/** `quantity`: the usage of a `sum` meter; the largest value of a `last` meter. */
export type UninvoicedUsage = {
  organizationId: string;
  meter: MeterName;
  reason: UninvoicedReason;
  quantity: number;
};

/** Stripe takes no older usage. */
const spanDays = 35;
/** Usage that was sealed longer ago cannot be mended any more; the alert has told of it for this long. */
const toldDays = 7;

/**
 * Usage of linked organizations at times that no invoice has, as far as Stripe's subscriptions or a `PUT` tell:
 * unsealed, or sealed within the last days and not refused. Where the link is younger than the billing period, the
 * invoice of an earlier period is final too, an hour after its end. For each organization with such times it reads
 * these times alone, by index.
 */
export function readUninvoiced(
  db: Db,
  { organizationIds }: { organizationIds?: readonly string[] } = {},
): Promise<UninvoicedUsage[]> {
  if (organizationIds?.length === 0) return Promise.resolve([]);
  return byIndex(db, (trx) => selectUninvoiced(trx, organizationIds));
}

async function selectUninvoiced(
  db: Db,
  organizationIds: readonly string[] | undefined,
): Promise<UninvoicedUsage[]> {
  const isAskedFor = (table: string) =>
    organizationIds === undefined
      ? sql`true`
      : sql`${sql.ref(`${table}.organization_id`)} = any(${organizationIds}::uuid[])`;
  // So that one organization is asked of its shard alone. Many would only be planned for, once for each partition.
  const isOne = organizationIds?.length === 1;
  const isAskedForToo = (table: string) => (isOne ? isAskedFor(table) : sql`true`);
  const uninvoiced = await sql<UninvoicedUsage>`
    with linked as (
      select
        s.organization_id,
        s.stripe_customer_id,
        tstzrange(greatest(now() - make_interval(days => ${spanDays}), p.starts_at), null) as own,
        case
          when s.billed is null then tstzmultirange(tstzrange(s.current_period_start, null))
          when l.linked_at > s.current_period_start + interval '1 hour'
            then s.billed * tstzmultirange(tstzrange(s.current_period_start, null))
          else s.billed
        end as billed
      from metering.subscriptions s
      join metering.customer_links l
        on l.organization_id = s.organization_id and l.ended_at is null and l.customer_deleted_at is null
      join metering.customer_spans p on p.organization_id = s.organization_id and p.ends_at = 'infinity'
      where ${isAskedFor("s")} and ${isAskedForToo("l")} and ${isAskedFor("p")}
        and s.stripe_customer_id is not null
        and (s.billed is not null or s.current_period_start is not null)
    )
    select
      k.organization_id as "organizationId",
      m.meter,
      case
        when isempty(k.billed) then 'no_subscription'
        when upper_inf(missing.span) then 'after_subscription'
        else 'before_subscription'
      end as reason,
      (case when m.meter = any(${metersFoldedBy("last")}) then max(u.quantity) else sum(u.quantity) end)::float8
        as quantity
    from linked k
    cross join lateral unnest(tstzmultirange(k.own) - k.billed) missing (span)
    cross join unnest(${meterNames}::text[]) m (meter)
    cross join lateral (
      select e.quantity
      from metering.meter_outbox e
      where e.meter_event_id is null and e.meter = m.meter and e.organization_id = k.organization_id
        and ${isAskedForToo("e")}
        and e.occurred_at >= lower(missing.span)
        and e.occurred_at < coalesce(upper(missing.span), 'infinity')
      union all
      select v.quantity
      from metering.meter_events v
      where v.organization_id = k.organization_id and ${isAskedForToo("v")} and v.meter = m.meter
        and v.hour > lower(missing.span) - interval '1 hour'
        and v.hour < coalesce(upper(missing.span), 'infinity')
        and v.event_at <@ missing.span
        and v.stripe_customer_id = k.stripe_customer_id
        and v.sealed_at > now() - make_interval(days => ${toldDays})
        and v.state in ('pending', 'delivered', 'in_doubt')
    ) u
    group by 1, 2, 3
    having sum(u.quantity) > 0
    order by 1, 2, 3
  `.execute(db);
  return uninvoiced.rows;
}
