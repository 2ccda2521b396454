import { type Kysely, sql } from "kysely";
import type { DB } from "../database/schema.ts";

export type SensorCount = {
  hour: Date;
  /** Organizations counted by this call; those counted before in the same hour are not among them. */
  organizations: number;
  sensors: number;
  /** Hours between these organizations' latest count before and this one, that nobody counted. */
  missedHours: number;
};

/**
 * Counts the active sensors of every organization whose status is billable, that has a customer and is not archived, and writes the
 * count and its outbox entry together: once for each organization and hour, whatever calls this twice. Only the
 * current hour is ever counted, since nobody knows any more how many sensors were active in an earlier one.
 */
export async function countSensors(
  db: Kysely<DB>,
  { billableStatuses }: { billableStatuses: readonly string[] },
): Promise<SensorCount> {
  const counted = await sql<SensorCount>`
    with active as materialized (
      select s.organization_id, count(x.id)::int as active_sensors
      from metering.subscriptions s
      join metering.organizations o on o.id = s.organization_id and o.archived_at is null
      left join metering.sensors x on x.organization_id = s.organization_id and x.deactivated_at is null
      where s.status = any(${billableStatuses}) and s.stripe_customer_id is not null
      group by s.organization_id
    ),
    this_hour as materialized (
      select
        date_trunc('hour', now(), 'UTC') as hour,
        date_trunc('milliseconds', now()) as occurred_at,
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
      insert into metering.sensor_counts (organization_id, hour, active_sensors)
      select a.organization_id, h.hour, a.active_sensors
      from active a
      cross join this_hour h
      order by a.organization_id
      on conflict do nothing
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
      coalesce(greatest(extract(epoch from h.hour - h.counted_before) / 3600 - 1, 0), 0)::int as "missedHours"
    from this_hour h
  `.execute(db);
  const [row] = counted.rows;
  if (row === undefined) throw new Error("the current hour is missing");
  return row;
}
