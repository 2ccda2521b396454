import { sql } from "kysely";
import type { Db, Trx } from "../database/db.ts";

export type SensorCount = {
  hour: Date;
  /** The organizations whose number this call wrote; without those whose number of this hour was stored already. */
  organizations: number;
  sensors: number;
  /** Hours without a count between the latest count and this one; 0 where only some organizations are counted. */
  missedHours: number;
};

export type CountOptions = {
  billableStatuses: readonly string[];
  /** Only these organizations; all when absent. */
  organizationIds?: readonly string[];
};

/** A burst of changes is counted once it is over, or has lasted this long. */
export type BurstLimits = { quietSeconds: number; longestSeconds: number };

const burstLimits: BurstLimits = { quietSeconds: 5, longestSeconds: 30 };

/**
 * Counts the active sensors of organizations that are billable, have a customer and are not archived, and writes each
 * count and its outbox entry together. An hour is counted again when the number has changed, when another customer
 * pays, or when a billing period has begun since; otherwise a second call writes nothing. Only the current hour is ever
 * counted: the number of an earlier hour is not known any more.
 */
export async function countSensors(db: Db, options: CountOptions): Promise<SensorCount> {
  return db.transaction().execute(async (trx) => {
    await holdCount(trx);
    return countAndWrite(trx, options);
  });
}

/**
 * Counts the organizations whose sensors or links have changed, after a burst of changes is over. Undefined when there
 * are none, or when another process is counting.
 */
export async function countChangedSensors(
  db: Db,
  { billableStatuses, ...limits }: Omit<CountOptions, "organizationIds"> & Partial<BurstLimits>,
): Promise<SensorCount | undefined> {
  return db.transaction().execute(async (trx) => {
    if (!(await tryToHoldCount(trx))) return undefined;
    const organizationIds = await takeChanged(trx, { ...burstLimits, ...limits });
    if (organizationIds.length === 0) return undefined;
    return countAndWrite(trx, { billableStatuses, organizationIds });
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
async function takeChanged(trx: Trx, { quietSeconds, longestSeconds }: BurstLimits): Promise<string[]> {
  const taken = await sql<{ organization_id: string }>`
    with due as materialized (
      select organization_id
      from metering.sensor_changes
      group by organization_id
      having max(changed_at) <= statement_timestamp() - make_interval(secs => ${quietSeconds})
        or min(changed_at) <= statement_timestamp() - make_interval(secs => ${longestSeconds})
    ),
    taken as (
      delete from metering.sensor_changes c using due where c.organization_id = due.organization_id
    )
    select organization_id from due
  `.execute(trx);
  return taken.rows.map((row) => row.organization_id);
}

async function countAndWrite(
  trx: Trx,
  { billableStatuses, organizationIds }: CountOptions,
): Promise<SensorCount> {
  const isAskedFor =
    organizationIds === undefined ? sql`true` : sql`s.organization_id = any(${organizationIds}::uuid[])`;
  // A count of some organizations alone shows a gap when a link had ended, which is no missed hour.
  const missedHours =
    organizationIds === undefined
      ? sql`coalesce(greatest(extract(epoch from h.hour - h.counted_before) / 3600 - 1, 0), 0)::int`
      : sql`0`;
  const counted = await sql<SensorCount>`
    with active as materialized (
      select
        s.organization_id, s.stripe_customer_id, s.current_period_start, count(x.id)::int as active_sensors
      from metering.subscriptions s
      join metering.organizations o on o.id = s.organization_id and o.archived_at is null
      left join metering.sensors x on x.organization_id = s.organization_id and x.deactivated_at is null
      where s.status = any(${billableStatuses}) and s.stripe_customer_id is not null and ${isAskedFor}
      group by s.organization_id
    ),
    -- The statement's time, not the transaction's: the lock was waited for in between.
    this_hour as materialized (
      select
        date_trunc('hour', statement_timestamp(), 'UTC') as hour,
        date_trunc('milliseconds', statement_timestamp()) as occurred_at,
        -- The key answers for one organization at a time: years of counts are not read for this.
        (
          select max(latest.hour)
          from active a
          cross join lateral (
            select c.hour from metering.sensor_counts c
            where c.organization_id = a.organization_id
            order by c.hour desc
            limit 1
          ) latest
        ) as counted_before
    ),
    counted as (
      insert into metering.sensor_counts as c
        (organization_id, hour, active_sensors, stripe_customer_id, counted_at)
      select a.organization_id, h.hour, a.active_sensors, a.stripe_customer_id, h.occurred_at
      from active a
      cross join this_hour h
      order by a.organization_id
      on conflict (organization_id, hour) do update set
        active_sensors = excluded.active_sensors,
        stripe_customer_id = excluded.stripe_customer_id,
        counted_at = excluded.counted_at
      where c.active_sensors <> excluded.active_sensors
        or c.stripe_customer_id <> excluded.stripe_customer_id
        -- Of a period without a value Stripe bills no sensors.
        or c.counted_at < (
          select a.current_period_start from active a
          where a.organization_id = c.organization_id and a.current_period_start <= excluded.counted_at
        )
      returning organization_id, active_sensors
    ),
    entries as (
      insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity)
      select c.organization_id, h.occurred_at, metering.uuid_v7(h.occurred_at), 'active_sensors', c.active_sensors
      from counted c
      cross join this_hour h
    )
    select
      h.hour,
      (select count(*)::int from counted) as organizations,
      (select coalesce(sum(active_sensors), 0)::int from counted) as sensors,
      ${missedHours} as "missedHours"
    from this_hour h
  `.execute(trx);
  const [row] = counted.rows;
  if (row === undefined) throw new Error("the current hour is missing");
  return row;
}
