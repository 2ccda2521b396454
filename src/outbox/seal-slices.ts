import { sql } from "kysely";
import type { Trx } from "../database/db.ts";
import { type MeterName, meters } from "../usage/meters.ts";
import type { DueOrganization } from "./due-organizations.ts";
import { entryTracesMax, type SealedEvent } from "./sealed-event.ts";

export type SliceInput = {
  meter: MeterName;
  /** Each gets one meter event at most, in this order. */
  organizations: readonly DueOrganization[];
  /** Later entries are left to the next seal. */
  cutOff: Date;
  /** Of all slices together. */
  entriesMax: number;
  isTraced: boolean;
};

export type Slices = {
  events: SealedEvent[];
  /** How many of the organizations have had their turn. */
  turns: number;
  /** The organizations that have more to seal, and from which time on. */
  unfinished: DueOrganization[];
};

/** Stripe takes 15 digits at most. */
const quantityMax = 999_999_999_999_999n;

type SliceRow = SealedEvent & { place: number; nextFrom: string | null };
type SliceTotals = { entriesRead: number; stamped: number };

/**
 * Seals one slice of each organization, in one statement and so on one snapshot: exactly the entries that were folded are
 * stamped.
 *
 * A slice begins at the organization's oldest unsealed entry and becomes one meter event. It ends with the UTC hour; with
 * the link to the customer who pays for its first entry; where a billing period of the present link starts or ends; where
 * usage was billed by another path until then; before the sum has more digits than Stripe takes; and at `entriesMax`, if it alone has as many. `sum` adds up; `last` takes the latest.
 */
export async function sealSlices(trx: Trx, input: SliceInput): Promise<Slices> {
  const { organizations, entriesMax } = input;
  const sealed = await sql<SliceRow & SliceTotals>`${sliceStatement(input)}`.execute(trx);
  const folded = sealed.rows.reduce((sum, event) => sum + event.entries, 0);
  await markBilledElsewhere(trx, sealed.rows);
  const { entriesRead, stamped } = sealed.rows[0] ?? { entriesRead: 0, stamped: 0 };
  if (stamped !== folded) {
    throw new Error(`sealing folded ${folded} entries but stamped ${stamped}; nothing was sealed`);
  }
  const unfinished = sealed.rows.flatMap(({ organizationId, nextFrom }) => {
    return nextFrom === null ? [] : [{ organizationId, from: nextFrom }];
  });
  const turns = entriesRead < entriesMax ? organizations.length : (sealed.rows.at(-1)?.place ?? 0);
  return { events: sealed.rows, turns, unfinished };
}

async function markBilledElsewhere(trx: Trx, events: readonly SealedEvent[]): Promise<void> {
  const marked = events.filter(({ isBilledElsewhere }) => isBilledElsewhere);
  if (marked.length === 0) return;
  await sql`
    update metering.meter_events m
    set state = 'superseded', reason = 'billed_elsewhere'
    from unnest(
      ${marked.map(({ organizationId }) => organizationId)}::uuid[],
      ${marked.map(({ meterEventId }) => meterEventId)}::uuid[]
    ) e (organization_id, id)
    where m.organization_id = e.organization_id and m.id = e.id
  `.execute(trx);
}

const traces = sql<string[] | null>`
  (array_agg(e.traceparent order by e.occurred_at, e.id) filter (where e.traceparent is not null))[1:${sql.lit(entryTracesMax)}]
`;

/** Of the entry `e`: an unsealed one of the meter, of the organization of the row that is named. The index has these words. */
const unsealedOf = (meter: MeterName) => (row: "f" | "q" | "t") =>
  sql`e.meter_event_id is null and e.meter = ${meter} and e.organization_id = ${sql.ref(`${row}.organization_id`)}`;

function sliceStatement({ meter, organizations, cutOff, entriesMax, isTraced }: SliceInput) {
  const isUnsealedOf = unsealedOf(meter);
  const isLast = meters[meter].aggregation === "last";
  const quantity = isLast
    ? sql`(array_agg(e.quantity order by e.occurred_at desc, e.id desc))[1]`
    : sql`sum(e.quantity)::bigint`;
  return sql`
    with turn as materialized (
      select
        q.place::int as place, q.organization_id, w.stripe_customer_id, oldest.occurred_at as starts_at,
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
        ${organizations.map(({ organizationId }) => organizationId)}::uuid[],
        ${organizations.map(({ from }) => from)}::timestamptz[]
      ) with ordinality as q (organization_id, from_at, place)
      cross join lateral (
        select e.occurred_at
        from metering.meter_outbox e
        where ${isUnsealedOf("q")}
          and e.occurred_at >= q.from_at and e.occurred_at <= ${cutOff}
        order by e.occurred_at
        limit 1
      ) oldest
      cross join lateral (
        select w.stripe_customer_id, w.ends_at
        from metering.customer_spans w
        where w.organization_id = q.organization_id
          and w.starts_at <= oldest.occurred_at and w.ends_at > oldest.occurred_at
        limit 1
      ) w
      -- The period is that of the present link, and no other's.
      left join lateral (
        select s.current_period_start, s.current_period_end
        from metering.subscriptions s
        where s.organization_id = q.organization_id and w.ends_at = 'infinity'
        limit 1
      ) p on true
      left join lateral (
        select c.cut_at from metering.cut_overs c where c.organization_id = q.organization_id limit 1
      ) c on true
    ),
    slice as materialized (
      select t.*, e.occurred_at, e.id, e.quantity, e.traceparent
      from turn t
      cross join lateral (
        select e.occurred_at, e.id, e.quantity, e.traceparent
        from metering.meter_outbox e
        where ${isUnsealedOf("t")}
          and e.occurred_at >= t.starts_at and e.occurred_at < t.ends_at and e.occurred_at <= ${cutOff}
        order by e.occurred_at, e.id
        limit ${entriesMax}
      ) e
      order by t.place
      limit ${entriesMax}
    ),
    folded as materialized (
      select
        e.place, e.organization_id, e.hour, e.stripe_customer_id, e.starts_at, e.is_billed_elsewhere,
        metering.uuid_v7(clock_timestamp()) as id,
        ${quantity} as quantity,
        max(e.occurred_at) as event_at,
        (array_agg(e.id order by e.occurred_at desc, e.id desc))[1] as last_id,
        count(*)::int as entries,
        ${isTraced ? traces : sql`null::text[]`} as traceparents
      from (
        select s.*, sum(s.quantity) over (partition by s.place order by s.occurred_at, s.id) as total from slice s
      ) e
      where ${isLast ? sql`true` : sql`e.total <= ${quantityMax}`}
        -- One that is cut only because others came before it begins the next transaction, and is not cut there.
        and (
          e.place = (select min(s.place) from slice s)
          or e.place < (select max(s.place) from slice s)
          or (select count(*) from slice) < ${entriesMax}
        )
      group by e.place, e.organization_id, e.hour, e.stripe_customer_id, e.starts_at, e.is_billed_elsewhere
    ),
    stamped as (
      update metering.meter_outbox e
      set meter_event_id = f.id
      from folded f
      where ${isUnsealedOf("f")}
        and e.occurred_at >= f.starts_at and e.occurred_at <= f.event_at
        and (e.occurred_at, e.id) <= (f.event_at, f.last_id)
      returning e.id
    ),
    events as (
      insert into metering.meter_events
        (organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id)
      select organization_id, id, ${meter}, hour, quantity, event_at, entries, stripe_customer_id
      from folded
      order by place
    )
    select
      f.place, f.organization_id as "organizationId", f.id as "meterEventId", ${meter}::text as meter,
      f.stripe_customer_id as "stripeCustomerId", f.entries, f.quantity::text as quantity, f.traceparents,
      f.is_billed_elsewhere as "isBilledElsewhere",
      (
        select count(*)::int
        from metering.meter_events p
        where p.state = 'pending' and p.meter = ${meter} and p.organization_id = f.organization_id
      ) as ahead,
      (
        select e.occurred_at::text
        from metering.meter_outbox e
        where ${isUnsealedOf("f")}
          and e.occurred_at >= f.event_at and e.occurred_at <= ${cutOff}
          and (e.occurred_at, e.id) > (f.event_at, f.last_id)
        order by e.occurred_at
        limit 1
      ) as "nextFrom",
      (select count(*)::int from slice) as "entriesRead",
      (select count(*)::int from stamped) as stamped
    from folded f
    order by f.place
  `;
}
