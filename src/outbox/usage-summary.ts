import { type RawBuilder, sql } from "kysely";
import { type InShard, namesOrganizations, type ShardInput } from "../database/by-shard.ts";
import type { Db } from "../database/db.ts";
import { byIndex, inIndexOrder } from "../database/one-plan.ts";
import { groupOrganizations } from "../database/shard-groups.ts";
import { type MeterName, meters } from "../usage/meters.ts";
import { eventsSinceSums, eventsThatCorrectSums, type Hours, readSummedThrough, sumsOf } from "./sums.ts";
import { countedOf, latestVersion } from "./versions.ts";
import { type Span, startOfHour, wholeHoursOf } from "./whole-hours.ts";

export type SummaryQuery = {
  meter: MeterName;
  /** Half-open: `from` counts, `to` does not. */
  from: Date;
  to: Date;
  /** From when on all entries are kept; null: none were dropped. */
  keptFrom: Date | null;
  /** The id of the last organization of the page before. */
  after: string | undefined;
  limit: number;
};

/** One organization's usage of a period. `quantity` is all usage; the other fields say where it is now. */
export type UsageTotal = {
  id: string;
  externalId: string | null;
  name: string;
  quantity: number;
  delivered: number;
  pending: number;
  in_doubt: number;
  rejected: number;
};

/**
 * The usage of one meter, of a page of all organizations in the order of their creation; the same figures as
 * `readUsage` gives for one bucket of the whole period.
 *
 * Whole UTC days and hours come from the sums of meter events, from the few events beside them, and from what is not sealed
 * yet; only what the ends of the period cut out of an hour is read entry by entry. All of it is a few probes of indexes for
 * each organization of the page, so that a page costs the same among 10,000 organizations as among 100.
 */
export async function readUsageSummary(db: Db, query: SummaryQuery): Promise<UsageTotal[]> {
  const page = await readPage(db, query);
  const summedThrough = await readSummedThrough(db);
  const totals = new Map<string, Total>();
  const shards = await groupOrganizations(
    db,
    page.map(({ id }) => id),
  );
  for (const shard of shards) {
    for (const total of await readTotals(db, query, { shard, summedThrough })) totals.set(total.id, total);
  }
  return page.flatMap((organization) => {
    const total = totals.get(organization.id);
    return total === undefined ? [] : [{ ...organization, ...total }];
  });
}

type Organization = Pick<UsageTotal, "id" | "externalId" | "name">;
type Total = Omit<UsageTotal, "externalId" | "name">;

async function readPage(db: Db, { after, limit }: SummaryQuery): Promise<Organization[]> {
  const page = await inIndexOrder(db, (trx) =>
    sql<Organization>`
      select id, external_id as "externalId", name
      from metering.organizations
      ${after === undefined ? sql`` : sql`where id > ${after}`}
      order by id
      limit ${limit}
    `.execute(trx),
  );
  return page.rows;
}

/** What is read together: organizations of one shard of a cluster, or any where there are no shards. */
type Part = { shard: ShardInput; summedThrough: string | null };

async function readTotals(db: Db, query: SummaryQuery, part: Part): Promise<Total[]> {
  const isLast = meters[query.meter].aggregation === "last";
  const ids = part.shard.organizations.map(({ organizationId }) => organizationId);
  const summary = await byIndex(db, (trx) =>
    sql<Total>`
    select
      part.id,
      coalesce(sum(part.used), 0)::float8 as quantity,
      coalesce(sum(part.counted), 0)::float8 as delivered,
      coalesce(sum(part.open) filter (where part.state = 'pending'), 0)::float8 as pending,
      coalesce(sum(part.open) filter (where part.state = 'in_doubt'), 0)::float8 as in_doubt,
      coalesce(sum(part.open) filter (where part.state in ('rejected', 'expired')), 0)::float8 as rejected
    from (
      select p.id, one.*
      from unnest(${ids}::uuid[]) p (id)
      left join lateral (${isLast ? latestPart(query, part) : partsOfEach(query, part)}) one on true
      ${isLast ? sql`` : sql`union all ${partsOfAll(query, part, ids)}`}
    ) part
    group by part.id
  `.execute(trx),
  );
  return summary.rows;
}

// Events that another replaces are superseded, and the other has their hour and what was missing of them: of a chain, the
// first are what was used, and the last says where it is.
const countedOfEvent = sql`
  case state when 'delivered' then quantity + counted_before when 'superseded' then 0 else counted_before end
`;
const ofEvent = sql`
  case when replaces_id is null and carried_from is null then quantity else 0 end as used, state,
  ${countedOfEvent} as counted, quantity as open
`;

/** Of `e` and its latest version `v`. */
const ofVersion = sql`
  e.quantity as used, coalesce(v.state, 'pending') as state, ${countedOf(sql`e.quantity`)} as counted,
  e.quantity - ${countedOf(sql`e.quantity`)} as open
`;

/**
 * The events that sums do not hold yet, of all organizations in one reading. Read for each organization, they can be many of
 * others each time: by the index of the ids alone, which to the planner is as good where its statistics are out of date.
 */
function partsOfAll(query: SummaryQuery, { shard, summedThrough }: Part, ids: string[]): RawBuilder<unknown> {
  const inShard = namesOrganizations(shard);
  const organizationId = sql`any(${ids}::uuid[])`;
  const sums = { organizationId, meter: sql`${query.meter}`, summedThrough, inShard };
  return sql`
    select organization_id, case when is_usage then quantity else 0 end, state, ${countedOfEvent}, quantity
    from (${eventsSinceSums(sums, hoursOf(query))}) since
  `;
}

/** Sums are counted as delivered; of events that correct them, as much is taken off again. */
function partsOfEach(query: SummaryQuery, { shard, summedThrough }: Part): RawBuilder<unknown> {
  const { whole, cut } = wholeHoursOf(query);
  const { meter } = query;
  const inShard = namesOrganizations(shard);
  const sums = { organizationId: sql`p.id`, meter: sql`${meter}`, summedThrough, inShard };
  const hours = hoursOf(query);
  const ofCut = cut.map(
    ({ from, to }) => sql`
      union all
      select ${ofVersion}
      from (
        select meter_event_id, sum(quantity) as quantity
        from metering.meter_outbox
        where organization_id = p.id and meter = ${meter} and occurred_at >= ${from} and occurred_at < ${to}
          ${inShard("meter_outbox")}
        group by meter_event_id
      ) e
      left join lateral ${latestVersion(sql`p.id`, sql`e.meter_event_id`, inShard)} v on true
      ${ofDropped(query, { from, to }, inShard)}
    `,
  );
  return sql`
    select quantity as used, 'delivered' as state, quantity as counted, 0 as open
    from (${sumsOf(sums, hours)}) summed
    union all
    select
      0, state, case when is_summed then -quantity else ${countedOfEvent} end, quantity
    from (${eventsThatCorrectSums(sums, hours)}) corrects
    union all
    select quantity, 'pending', 0, quantity
    from metering.meter_outbox
    where organization_id = p.id and meter = ${meter} and meter_event_id is null
      and occurred_at >= ${whole.from} and occurred_at < ${whole.to} ${inShard("meter_outbox")}
    ${sql.join(ofCut, sql` `)}
  `;
}

function hoursOf(query: SummaryQuery): Hours {
  const { whole } = wholeHoursOf(query);
  return { from: sql`${whole.from}::timestamptz`, to: sql`${whole.to}::timestamptz` };
}

/** Where entries were dropped, each meter event stands for its entries, at the time of the latest one. */
function ofDropped(
  { meter, keptFrom }: SummaryQuery,
  { from, to }: Span,
  inShard: InShard,
): RawBuilder<unknown> {
  if (keptFrom === null || from >= keptFrom) return sql``;
  return sql`
    union all
    select ${ofEvent}
    from metering.meter_events
    where organization_id = p.id and meter = ${meter}
      and hour > ${from}::timestamptz - interval '1 hour' and hour < ${to}
      and event_at >= ${from} and event_at < ${to}
      and ${isMonthDropped} ${inShard("meter_events")}
  `;
}

const isMonthDropped = sql`date_trunc('month', hour, 'UTC') in (
  select month from metering.dropped_partitions where table_name = 'meter_outbox'
)`;

/** A gauge counts with its latest value of the period only. */
function latestPart(query: SummaryQuery, { shard }: Part): RawBuilder<unknown> {
  const { whole, cut } = wholeHoursOf(query);
  const inShard = namesOrganizations(shard);
  const { meter, keptFrom } = query;
  const latestEntry = ({ from, to }: Span, isUnsealed: boolean) => sql`(
    select quantity, meter_event_id, occurred_at, id
    from metering.meter_outbox
    where organization_id = p.id and meter = ${meter} and occurred_at >= ${from} and occurred_at < ${to}
      ${isUnsealed ? sql`and meter_event_id is null` : sql``} ${inShard("meter_outbox")}
    order by occurred_at desc, id desc
    limit 1
  )`;
  const latestEvent = ({ from, to }: Span, isMeant: RawBuilder<unknown>) => sql`(
    select quantity, id, event_at, id
    from metering.meter_events
    where organization_id = p.id and meter = ${meter} and hour >= ${startOfHour(from)} and hour < ${to}
      and event_at >= ${from} and event_at < ${to} and replaces_id is null and ${isMeant}
      ${inShard("meter_events")}
    order by hour desc, event_at desc, id desc
    limit 1
  )`;
  const dropped = keptFrom === null ? [] : cut.filter(({ from }) => from < keptFrom);
  const candidates = [
    latestEntry(whole, true),
    latestEvent(whole, sql`true`),
    ...cut.map((span) => latestEntry(span, false)),
    ...dropped.map((span) => latestEvent(span, isMonthDropped)),
  ];
  return sql`
    select ${ofVersion}
    from (
      select * from (${sql.join(candidates, sql` union all `)}) candidate (quantity, meter_event_id, at, id)
      order by at desc, id desc
      limit 1
    ) e
    left join lateral ${latestVersion(sql`p.id`, sql`e.meter_event_id`, inShard)} v on true
  `;
}
