import { type RawBuilder, sql } from "kysely";
import { anyArrayLiteral, arrayLiteral } from "../database/array-literal.ts";
import { namesOrganizations } from "../database/by-shard.ts";
import type { Trx } from "../database/db.ts";
import { type MeterName, meters } from "../usage/meters.ts";
import type { SealedEvent } from "./sealed-event.ts";
import type { SliceInput } from "./slice-input.ts";

/** Where a slice lies, and the id of its meter event to be; times as Postgres's text. */
export type Slice = Pick<
  SealedEvent,
  "organizationId" | "meterEventId" | "stripeCustomerId" | "isBilledElsewhere" | "ahead"
> & {
  place: number;
  hour: string;
  startsAt: string;
  lastAt: string;
  lastId: string;
  /** Where the organization has more to seal; null where it has none. */
  nextFrom: string | null;
};

/** Stripe takes 15 digits at most. */
const quantityMax = 999_999_999_999_999n;

/** Of the entry `e`: an unsealed one of the meter, of the organization of the row that is named. The index has these words. */
const unsealedOf = (meter: MeterName, row: "f" | "q" | "t"): RawBuilder<boolean> =>
  sql<boolean>`e.meter_event_id is null and e.meter = ${meter} and e.organization_id = ${sql.ref(`${row}.organization_id`)}`;

/**
 * One slice of each organization that has entries to seal, in their order. `entriesRead`: of all slices together, also of
 * those that are left to the next transaction.
 */
export async function findSlices(
  trx: Trx,
  input: SliceInput,
): Promise<{ slices: Slice[]; entriesRead: number }> {
  const { meter, cutOff, entriesMax } = input;
  const inShard = namesOrganizations(input);
  const isLast =
    meters[meter].aggregation === "last"
      ? sql`e.next_total is null`
      : sql`e.total <= ${quantityMax} and coalesce(e.next_total > ${quantityMax}, true)`;
  const { rows } = await sql<Slice & { entriesRead: number }>`
    with slice as materialized (
      select t.*, e.occurred_at, e.id, e.quantity
      from (${nextSlices(input)}) t
      cross join lateral (
        select e.occurred_at, e.id, e.quantity
        from metering.meter_outbox e
        where ${unsealedOf(meter, "t")} ${inShard("e")}
          and e.occurred_at >= t.starts_at and e.occurred_at < t.ends_at and e.occurred_at <= ${cutOff}
        order by e.occurred_at, e.id
        limit ${entriesMax}
      ) e
      order by t.place
      limit ${entriesMax}
    )
    select
      f.place::int as place, f.organization_id as "organizationId", metering.uuid_v7(clock_timestamp()) as "meterEventId",
      f.stripe_customer_id as "stripeCustomerId", f.is_billed_elsewhere as "isBilledElsewhere",
      f.hour::text as hour, f.starts_at::text as "startsAt", f.last_at::text as "lastAt", f.last_id as "lastId",
      coalesce(f.ahead, (
        select count(*)::int
        from metering.meter_events p
        where p.state = 'pending' and p.meter = ${meter} and p.organization_id = f.organization_id ${inShard("p")}
      )) as ahead,
      (
        select e.occurred_at::text
        from metering.meter_outbox e
        where ${unsealedOf(meter, "f")} ${inShard("e")}
          and e.occurred_at >= f.last_at and e.occurred_at <= ${cutOff}
          and (e.occurred_at, e.id) > (f.last_at, f.last_id)
        order by e.occurred_at
        limit 1
      ) as "nextFrom",
      (select count(*)::int from slice) as "entriesRead"
    from (
      -- The last entry of each slice: the next one is another slice's.
      select
        e.place, e.organization_id, e.ahead, e.hour, e.stripe_customer_id, e.starts_at, e.is_billed_elsewhere,
        e.occurred_at as last_at, e.id as last_id
      from (
        select t.*, lead(t.total) over (partition by t.place order by t.occurred_at, t.id) as next_total
        from (
          select s.*, sum(s.quantity) over (partition by s.place order by s.occurred_at, s.id) as total from slice s
        ) t
      ) e
      where ${isLast}
        -- One that is cut only because others came before it begins the next transaction, and is not cut there.
        and (
          e.place = (select min(s.place) from slice s)
          or e.place < (select max(s.place) from slice s)
          or (select count(*) from slice) < ${entriesMax}
        )
      order by e.place
    ) f
    order by f.place
  `.execute(trx);
  return { slices: rows, entriesRead: rows[0]?.entriesRead ?? 0 };
}

/**
 * Where the next slice of each organization begins, and where it ends at most. In their order, so that Postgres works
 * them out one after the other, and no more of them than a transaction has room for.
 */
function nextSlices(input: SliceInput): RawBuilder<unknown> {
  const { meter, organizations, cutOff } = input;
  const inShard = namesOrganizations(input);
  return sql`
    select
      q.place, q.organization_id, q.ahead, w.stripe_customer_id, oldest.occurred_at as starts_at,
      date_trunc('hour', oldest.occurred_at, 'UTC') as hour,
      least(
        date_trunc('hour', oldest.occurred_at, 'UTC') + interval '1 hour',
        w.ends_at,
        case when p.current_period_start > oldest.occurred_at then p.current_period_start end,
        case when p.current_period_end > oldest.occurred_at then p.current_period_end end,
        case when c.cut_at > oldest.occurred_at then c.cut_at end
      ) as ends_at,
      coalesce(c.cut_at > oldest.occurred_at, false) as is_billed_elsewhere
    from unnest(
      ${arrayLiteral(organizations.map(({ organizationId }) => organizationId))}::uuid[],
      ${arrayLiteral(organizations.map(({ from }) => from))}::timestamptz[],
      ${anyArrayLiteral(organizations.map(({ ahead = null }) => ahead))}::int[]
    ) with ordinality as q (organization_id, from_at, ahead, place)
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
    -- The period is that of the present link, and no other's.
    left join lateral (
      select s.current_period_start, s.current_period_end
      from metering.subscriptions s
      where s.organization_id = q.organization_id ${inShard("s")} and w.ends_at = 'infinity'
      limit 1
    ) p on true
    left join lateral (
      select c.cut_at from metering.cut_overs c where c.organization_id = q.organization_id ${inShard("c")} limit 1
    ) c on true
    order by q.place
  `;
}
