import { type RawBuilder, sql } from "kysely";
import { inParts, namesOrganizations, type ShardInput } from "../database/by-shard.ts";
import type { Db, Trx } from "../database/db.ts";
import type { Shards } from "../database/shards.ts";
import { shardsOf } from "../database/shards-of.ts";
import { countByShard, type GroupCount, type SensorCount } from "./count-by-shard.ts";

export type CountOptions = {
  billableStatuses: readonly string[];
  /** Only these organizations; all when absent. */
  organizationIds?: readonly string[] | undefined;
  /** Asked of the database when left out. */
  shards?: Shards;
};

type OfShard = { shard: ShardInput };

/** A burst of changes is counted once it is over, or has lasted this long. */
export type BurstLimits = { quietSeconds: number; longestSeconds: number };

const hourMs = 3_600_000;

const burstLimits: BurstLimits = { quietSeconds: 5, longestSeconds: 30 };

/**
 * Counts the active sensors of organizations that are billable, have a customer and are not archived, and writes each
 * count and its outbox entry together. An hour is counted again when the number has changed, when another customer
 * pays, or when a billing period has begun since; otherwise a second call writes nothing. Only the current hour is ever
 * counted: the number of an earlier hour is not known any more. On a cluster each shard is counted in a transaction of its
 * own, and what one throws holds up no other. Throws where no shard could be counted.
 */
export async function countSensors(
  db: Db,
  { billableStatuses, organizationIds, shards = shardsOf(db) }: CountOptions,
): Promise<SensorCount> {
  const count = await countByShard(db, { shards, only: organizationIds }, async (trx, shard) => {
    await holdCount(trx);
    return countAndWrite(trx, { billableStatuses, organizationIds, shard });
  });
  if (count !== undefined) return count;
  // A cluster without organizations.
  const { hour } = await readHour(db);
  return { hour, organizations: 0, sensors: 0, missedHours: 0, faults: [] };
}

/**
 * Counts the organizations whose sensors or links have changed, after a burst of changes is over. Undefined when there
 * are none, or when another process is counting.
 */
export async function countChangedSensors(
  db: Db,
  {
    billableStatuses,
    shards = shardsOf(db),
    ...limits
  }: Omit<CountOptions, "organizationIds"> & Partial<BurstLimits>,
): Promise<SensorCount | undefined> {
  return countByShard(db, { shards }, async (trx, shard) => {
    if (!(await tryToHoldCount(trx))) return undefined;
    const organizationIds = await takeChanged(trx, { ...burstLimits, ...limits, shard });
    if (organizationIds.length === 0) return undefined;
    return countAndWrite(trx, { billableStatuses, organizationIds, shard });
  });
}

/**
 * One count at a time, for each begins after the one before has ended: so the later of two entries has the later time,
 * and the last value wins.
 */
async function holdCount(trx: Trx): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtext('metering.count_sensors'))`.execute(trx);
}

async function tryToHoldCount(trx: Trx): Promise<boolean> {
  const tried = await sql<{ isHeld: boolean }>`
    select pg_try_advisory_xact_lock(hashtext('metering.count_sensors')) as "isHeld"
  `.execute(trx);
  return tried.rows[0]?.isHeld === true;
}

/** Takes the organizations out of the list; changes that are noted meanwhile stay there for the next time. */
async function takeChanged(
  trx: Trx,
  { quietSeconds, longestSeconds, shard }: BurstLimits & OfShard,
): Promise<string[]> {
  const inShard = namesOrganizations(shard);
  const taken = await sql<{ organization_id: string }>`
    with due as materialized (
      select c.organization_id
      from metering.sensor_changes c
      where true ${inShard("c")}
      group by c.organization_id
      having max(changed_at) <= statement_timestamp() - make_interval(secs => ${quietSeconds})
        or min(changed_at) <= statement_timestamp() - make_interval(secs => ${longestSeconds})
    ),
    taken as (
      delete from metering.sensor_changes c using due where c.organization_id = due.organization_id ${inShard("c")}
    )
    select organization_id from due
  `.execute(trx);
  return taken.rows.map((row) => row.organization_id);
}

async function countAndWrite(
  trx: Trx,
  { billableStatuses, organizationIds, shard }: Omit<CountOptions, "shards"> & OfShard,
): Promise<GroupCount> {
  const now = await readHour(trx);
  const isAskedFor =
    organizationIds === undefined ? sql`true` : sql`s.organization_id = any(${organizationIds}::uuid[])`;
  const isBillable = sql`
    s.status = any(${billableStatuses}) and s.stripe_customer_id is not null and ${isAskedFor}
  `;
  // A count of some organizations alone shows a gap when a link had ended, which is no missed hour.
  const missedHours =
    organizationIds === undefined ? await countMissedHours(trx, { isBillable, shard }, now) : undefined;
  const counted = await writeCounts(trx, { isBillable, shard }, now);
  await writeEntries(
    trx,
    counted.map(({ organizationId }) => organizationId),
    now,
  );
  return {
    hour: now.hour,
    organizations: counted.length,
    sensors: counted.reduce((sum, { sensors }) => sum + sensors, 0),
    missedHours,
  };
}

type CountTime = { hour: Date; countedAt: Date };

/** The statement's time, not the transaction's: the lock was waited for in between. */
async function readHour(db: Db): Promise<CountTime> {
  const times = await sql<CountTime>`
    select
      date_trunc('hour', statement_timestamp(), 'UTC') as hour,
      date_trunc('milliseconds', statement_timestamp()) as "countedAt"
  `.execute(db);
  const [now] = times.rows;
  if (now === undefined) throw new Error("the current hour is missing");
  return now;
}

/** The subscriptions `s` that are counted, and where they lie. */
type Counted = OfShard & { isBillable: RawBuilder<unknown> };

/** Of 3,000 at once the look-ups took 8 s, of 100 at a time half a second. */
const lookedUpAtOnce = 100;

/** Hours between the latest count of any of these organizations and this hour; undefined where there is none. */
async function countMissedHours(
  trx: Trx,
  { isBillable, shard }: Counted,
  { hour }: CountTime,
): Promise<number | undefined> {
  const latest: number[] = [];
  for (const part of inParts(shard, lookedUpAtOnce)) {
    const found = await readLatestHour(trx, { isBillable, shard: part });
    if (found !== undefined) latest.push(found.getTime());
  }
  return latest.length === 0 ? undefined : Math.max((hour.getTime() - Math.max(...latest)) / hourMs - 1, 0);
}

async function readLatestHour(trx: Trx, { isBillable, shard }: Counted): Promise<Date | undefined> {
  const inShard = namesOrganizations(shard);
  // The key answers for one organization at a time: years of counts are not read for this.
  const latest = await sql<{ hour: Date | null }>`
    select max(latest.hour) as hour
    from metering.subscriptions s
    join metering.organizations o on o.id = s.organization_id and o.archived_at is null
    cross join lateral (
      select c.hour from metering.sensor_counts c
      where c.organization_id = s.organization_id ${inShard("c")}
      order by c.hour desc
      limit 1
    ) latest
    where ${isBillable} ${inShard("s")}
  `.execute(trx);
  return latest.rows[0]?.hour ?? undefined;
}

/**
 * Writes the numbers that are not stored for this hour yet. They are counted in a part of their own: a cluster would send an
 * `insert … select` that joins `organizations`, of which each node has a copy, to every node.
 */
async function writeCounts(
  trx: Trx,
  { isBillable, shard }: Counted,
  { hour, countedAt }: CountTime,
): Promise<{ organizationId: string; sensors: number }[]> {
  const inShard = namesOrganizations(shard);
  const counted = await sql<{ organizationId: string; sensors: number }>`
    with due as materialized (
      select a.organization_id, a.active_sensors, a.stripe_customer_id
      from (
        select
          s.organization_id, s.stripe_customer_id, s.current_period_start, count(x.id)::int as active_sensors
        from metering.subscriptions s
        join metering.organizations o on o.id = s.organization_id and o.archived_at is null
        left join metering.sensors x on x.organization_id = s.organization_id and x.deactivated_at is null ${inShard("x")}
        where ${isBillable} ${inShard("s")}
        group by s.organization_id, s.stripe_customer_id, s.current_period_start
      ) a
      left join metering.sensor_counts c
        on c.organization_id = a.organization_id and c.hour = ${hour}::timestamptz ${inShard("c")}
      where c.organization_id is null
        or c.active_sensors <> a.active_sensors
        or c.stripe_customer_id <> a.stripe_customer_id
        -- Of a period without a value Stripe bills no sensors.
        or c.counted_at < a.current_period_start and a.current_period_start <= ${countedAt}::timestamptz
    )
    insert into metering.sensor_counts (organization_id, hour, active_sensors, stripe_customer_id, counted_at)
    select organization_id, ${hour}::timestamptz, active_sensors, stripe_customer_id, ${countedAt}::timestamptz
    from due
    on conflict (organization_id, hour) do update set
      active_sensors = excluded.active_sensors,
      stripe_customer_id = excluded.stripe_customer_id,
      counted_at = excluded.counted_at
    returning organization_id as "organizationId", active_sensors as sensors
  `.execute(trx);
  return counted.rows;
}

/** An entry of each of these organizations, with the number that this transaction has just written for it. */
async function writeEntries(
  trx: Trx,
  organizationIds: readonly string[],
  { hour, countedAt }: CountTime,
): Promise<void> {
  if (organizationIds.length === 0) return;
  await sql`
    insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity)
    select c.organization_id, ${countedAt}::timestamptz, metering.uuid_v7(${countedAt}), 'active_sensors', c.active_sensors
    from metering.sensor_counts c
    where c.organization_id = any(${organizationIds}::uuid[]) and c.hour = ${hour}
  `.execute(trx);
}
