import { type RawBuilder, sql } from "kysely";
import { anyArrayLiteral, arrayLiteral } from "../database/array-literal.ts";
import { namesOrganizations } from "../database/by-shard.ts";
import type { Trx } from "../database/db.ts";
import { clockOfUuids } from "../database/uuid-v7.ts";
import { type MeterName, meters } from "../usage/meters.ts";
import { chooseSlices, type Stretch, type Turns } from "./choose-slices.ts";
import type { SliceInput } from "./slice-input.ts";

/** Stripe takes 15 digits at most. */
const quantityMax = 999_999_999_999_999n;

/** Of the entry `e`: an unsealed one of the meter, of the organization of the row that is named. The index has these words. */
const unsealedOf = (meter: MeterName, row: "q" | "t"): RawBuilder<boolean> =>
  sql<boolean>`e.meter_event_id is null and e.meter = ${meter} and e.organization_id = ${sql.ref(`${row}.organization_id`)}`;

/** The slices of the organizations' next turns, in the organizations' order. */
export async function findSlices(trx: Trx, input: SliceInput): Promise<Turns> {
  const { meter, entriesMax } = input;
  // One more than is sealed: it tells that there is more.
  const readMax = entriesMax + 1;
  const isLast =
    meters[meter].aggregation === "last"
      ? sql`(e.next_total is null or e.number = ${entriesMax})`
      : sql`e.total <= ${quantityMax} and (coalesce(e.next_total > ${quantityMax}, true) or e.number = ${entriesMax})`;
  const { rows } = await sql<Stretch & { entriesRead: number; clock: string }>`
    with entry as materialized (
      select t.*, e.occurred_at, e.id, e.quantity, e.boundary
      from (${nextStretches(input)}) t
      cross join lateral (${entriesOfTurn(input, readMax)}) e
      order by t.place
      limit ${readMax}
    )
    select
      e.place::int as place, e.organization_id as "organizationId",
      e.stripe_customer_id as "stripeCustomerId", coalesce(e.cut_at > e.occurred_at, false) as "isBilledElsewhere",
      e.occurred_at >= e.link_ends_at as "isOfNextLink", e.ahead,
      date_trunc('hour', e.occurred_at, 'UTC')::text as hour, e.first_at::text as "startsAt",
      e.occurred_at::text as "lastAt", e.id as "lastId", e.number::int as entries, e.next_total is not null as "isCut",
      (select count(*)::int from entry) as "entriesRead", (select ${clockOfUuids}) as clock
    from (
      select t.*, lead(t.total) over (partition by t.place, t.boundary order by t.occurred_at, t.id) as next_total
      from (
        select
          s.*, sum(s.quantity) over stretch as total, row_number() over stretch as number,
          first_value(s.occurred_at) over stretch as first_at
        from entry s
        window stretch as (partition by s.place, s.boundary order by s.occurred_at, s.id)
      ) t
    ) e
    where ${isLast} and e.number <= ${entriesMax}
    order by e.place, e.first_at
  `.execute(trx);
  return chooseSlices(rows, {
    ...input,
    clock: rows[0]?.clock ?? "0",
    isReadWhole: (rows[0]?.entriesRead ?? 0) < readMax,
  });
}

/**
 * Reads the entries of the next stretch of the organization `t`, without a boundary, and some of those that follow, each
 * with the last boundary before it.
 */
function entriesOfTurn(input: SliceInput, readMax: number): RawBuilder<unknown> {
  const { meter, cutOff, slicesEach } = input;
  const inShard = namesOrganizations(input);
  const entriesIn = (bounds: RawBuilder<boolean>, most: number) => sql`
    select e.occurred_at, e.id, e.quantity
    from metering.meter_outbox e
    where ${unsealedOf(meter, "t")} ${inShard("e")} and ${bounds} and e.occurred_at <= ${cutOff}
    order by e.occurred_at, e.id
    limit ${most}
  `;
  return sql`
    select first.*, null::timestamptz as boundary
    from (${entriesIn(sql`e.occurred_at >= t.starts_at and e.occurred_at < t.ends_at`, readMax)}) first
    union all
    select
      next.*,
      greatest(
        date_trunc('hour', next.occurred_at, 'UTC'),
        case when t.period_start <= next.occurred_at then t.period_start end,
        case when t.period_end <= next.occurred_at then t.period_end end,
        case when t.other_bounds is not null then (
          select max(b) from unnest(t.other_bounds) b where b <= next.occurred_at
        ) end,
        case when t.cut_at <= next.occurred_at then t.cut_at end
      )
    from (${entriesIn(sql`e.occurred_at >= t.ends_at`, slicesEach)}) next
  `;
}

/**
 * Where the next stretch of each organization begins, where it ends, and what else divides its entries. In their order, so
 * that Postgres works them out one after the other, and no more of them than a transaction has room for.
 */
function nextStretches(input: SliceInput): RawBuilder<unknown> {
  const { meter, organizations, cutOff, failedOfOneMax = Infinity } = input;
  const inShard = namesOrganizations(input);
  return sql`
    select
      q.place, q.organization_id, w.stripe_customer_id, w.ends_at as link_ends_at,
      p.current_period_start as period_start, p.current_period_end as period_end, o.bounds as other_bounds, c.cut_at,
      oldest.occurred_at as starts_at,
      least(
        date_trunc('hour', oldest.occurred_at, 'UTC') + interval '1 hour',
        w.ends_at,
        case when p.current_period_start > oldest.occurred_at then p.current_period_start end,
        case when p.current_period_end > oldest.occurred_at then p.current_period_end end,
        case when o.bounds is not null then (
          select min(b) from unnest(o.bounds) b where b > oldest.occurred_at
        ) end,
        case when c.cut_at > oldest.occurred_at then c.cut_at end
      ) as ends_at,
      coalesce(q.ahead, pending.count) as ahead
    from unnest(
      ${arrayLiteral(organizations.map(({ organizationId }) => organizationId))}::uuid[],
      ${arrayLiteral(organizations.map(({ from }) => from))}::timestamptz[],
      ${anyArrayLiteral(organizations.map(({ ahead = null }) => ahead))}::int[]
    ) with ordinality as q (organization_id, from_at, ahead, place)
    cross join lateral (
      select count(*)::int as count, count(*) filter (where m.attempts_finished > 0) as failed
      from metering.meter_events m
      where q.ahead is null and m.state = 'pending' and m.meter = ${meter}
        and m.organization_id = q.organization_id ${inShard("m")}
    ) pending
    cross join lateral (
      select e.occurred_at
      from metering.meter_outbox e
      where ${unsealedOf(meter, "q")} ${inShard("e")}
        and e.occurred_at >= q.from_at and e.occurred_at <= ${cutOff}
      order by e.occurred_at
      limit 1
    ) oldest
    cross join lateral (
      select w.stripe_customer_id, w.ends_at
      from metering.customer_spans w
      where w.organization_id = q.organization_id ${inShard("w")}
        and w.starts_at <= oldest.occurred_at and w.ends_at > oldest.occurred_at
      limit 1
    ) w
    -- Present periods are those of the present link, and no other's.
    left join lateral (
      select s.current_period_start, s.current_period_end, s.other_bounds
      from metering.subscriptions s
      where s.organization_id = q.organization_id ${inShard("s")} and w.ends_at = 'infinity'
      limit 1
    ) p on true
    -- While nothing was sealed, a period may have ended that is not the present one, or that an earlier link's customer had.
    cross join lateral (
      select p.other_bounds || array_agg(noted.bound) as bounds
      from (
        (
          select n.period_end as bound
          from metering.billing_periods n
          where n.organization_id = q.organization_id ${inShard("n")} and n.period_start <= oldest.occurred_at
            and (n.stripe_customer_id = w.stripe_customer_id) is true
          order by n.period_start desc
          limit 1
        )
        union all
        select bound
        from metering.billing_periods n
        cross join lateral unnest(array[n.period_start, n.period_end]) bound
        where n.organization_id = q.organization_id ${inShard("n")} and n.period_start > oldest.occurred_at
          and (n.stripe_customer_id = w.stripe_customer_id) is true
      ) noted
      where noted.bound <= ${cutOff}
    ) o
    left join lateral (
      select c.cut_at from metering.cut_overs c where c.organization_id = q.organization_id ${inShard("c")} limit 1
    ) c on true
    where pending.failed < ${failedOfOneMax}::float8
    order by q.place
  `;
}
