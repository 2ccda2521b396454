import { sql } from "kysely";
import { listOrganizationsOf } from "../database/customer-organizations.ts";
import type { Db } from "../database/db.ts";
import { byIndex } from "../database/one-plan.ts";
import { type MeterName, meters } from "../usage/meters.ts";
import { bucketsOf, floorTo, type Grouping, hourMs, type Span } from "./windows.ts";

/**
 * A customer's usage of a meter is compared. Stripe knows no organizations: where one customer paid for several after
 * each other, all their events are in its sum, and in ours.
 */
export type Subject = { organizationId: string; customer: string; meter: MeterName };
export type Window = Subject & Span;

/** Our events of one window, folded as Stripe folds them. Quantities are decimal strings. */
export type Fold = Span & {
  /** The usage that is surely at Stripe. */
  certain: string;
  /**
   * The usage that may be there: in doubt, or covered by an error report that does not name it. Of a gauge: the latest
   * value.
   */
  doubtful: string;
  /** The usage that is pending and was attempted. */
  open: string;
  certainEvents: number;
  doubtfulEvents: number;
  openEvents: number;
  /** Pending and never attempted: surely not at Stripe. */
  unsentEvents: number;
  /** When an event of the window was last attempted, delivered or resolved. */
  youngestAt: Date | null;
  /** The same as long as no event of the window has changed its state, and none was added. */
  fingerprint: string;
};

const nothing = {
  certain: "0",
  doubtful: "0",
  open: "0",
  certainEvents: 0,
  doubtfulEvents: 0,
  openEvents: 0,
  unsentEvents: 0,
  youngestAt: null,
  fingerprint: "0",
};

/** How to fold. */
export type Folding = {
  /** Shadow mode: another path sends what we leave pending. */
  isShadow?: boolean | undefined;
};

/** Folds our events of a window; without any, everything is 0. */
export async function foldWindow(db: Db, window: Window, folding: Folding = {}): Promise<Fold> {
  const [fold] = await readFolds(db, window, folding);
  return { ...nothing, ...fold, start: window.start, end: window.end };
}

/** The same for each UTC day or hour of a window that begins and ends with one. */
export async function foldBuckets(
  db: Db,
  window: Window,
  { grouping, ...folding }: Folding & { grouping: Grouping },
): Promise<Fold[]> {
  const folds = await readFolds(db, window, { grouping, ...folding });
  const found = new Map(folds.map((fold) => [fold.start.getTime(), fold]));
  return bucketsOf(window, grouping).map((bucket) => ({
    ...nothing,
    ...found.get(bucket.start.getTime()),
    ...bucket,
  }));
}

/** An event lies in its hour, so the index by hour serves any window. */
async function readFolds(
  db: Db,
  { organizationId, customer, meter, start, end }: Window,
  { grouping, isShadow = false }: Folding & { grouping?: Grouping },
): Promise<(Omit<Fold, "end"> & { start: Date })[]> {
  const isLast = meters[meter].aggregation === "last";
  const bucket =
    grouping === undefined ? sql`${start}::timestamptz` : sql`date_trunc(${grouping}, hour, 'UTC')`;
  // Of a gauge, what is older than the latest certain value says nothing any more.
  const isStillOf = isLast ? sql`and (certain_at is null or event_at >= certain_at)` : sql``;
  const latest = (kind: string) =>
    sql`(array_agg(quantity order by event_at desc, id desc) filter (where kind = ${kind} ${isStillOf}))[1]`;
  const total = (kind: string) => sql`sum(quantity) filter (where kind = ${kind})`;
  const fold = isLast ? latest : total;
  const folded = await byIndex(db, async (trx) => {
    const organizationIds = new Set([...(await listOrganizationsOf(trx, customer)), organizationId]);
    return sql<Omit<Fold, "end">>`
      with events as (
        select
          id, quantity, counted_before, event_at, ${bucket} as bucket, state, attempts_started, attempts_finished,
          reconcile_since,
          greatest(
            last_attempt_at, delivered_at, resolved_at, case when ${isShadow} and state = 'pending' then sealed_at end
          ) as changed_at,
          case
            when state = 'superseded' and reason = 'billed_elsewhere' then 'certain'
            when ${isShadow} and state = 'pending' then 'certain'
            when state = 'delivered' and reconcile_since is null then 'certain'
            when state in ('in_doubt', 'delivered') then 'doubtful'
            when state = 'pending' and attempts_started > 0 then 'open'
            when state = 'pending' then 'unsent'
          end as kind
        from metering.meter_events
        where organization_id = any(${[...organizationIds]}::uuid[])
          and meter = ${meter}
          and hour >= ${floorTo(start, hourMs)}::timestamptz and hour < ${end}::timestamptz
          and event_at >= ${start}::timestamptz and event_at < ${end}::timestamptz
          and stripe_customer_id = ${customer}
      ),
      dated as (
        select events.*, max(event_at) filter (where kind = 'certain') over (partition by bucket) as certain_at
        from events
      )
      select
        bucket as start,
        (coalesce(${fold("certain")}, 0) + coalesce(sum(counted_before) filter (where state <> 'superseded'), 0))::text as certain,
        coalesce(${fold("doubtful")}, 0)::text as doubtful,
        coalesce(${fold("open")}, 0)::text as open,
        (count(*) filter (where kind = 'certain'))::integer as "certainEvents",
        (count(*) filter (where kind = 'doubtful' ${isStillOf}))::integer as "doubtfulEvents",
        (count(*) filter (where kind = 'open' ${isStillOf}))::integer as "openEvents",
        (count(*) filter (where kind = 'unsent'))::integer as "unsentEvents",
        max(changed_at) as "youngestAt",
        sum(hashtextextended(
          concat_ws('|', id, state, attempts_started, attempts_finished, reconcile_since is null), 0
        ))::text as fingerprint
      from dated
      group by bucket
    `.execute(trx);
  });
  return folded.rows;
}
