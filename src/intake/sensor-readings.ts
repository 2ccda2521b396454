import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import { byIndex } from "../database/one-plan.ts";

export type LatestReading = { sensorId: string; recordedAt: Date; temperature: number };

/** The reading that each of these sensors recorded last; none for a sensor without. */
export async function readLatestReadings(
  db: Db,
  organizationId: string,
  sensorIds: readonly string[],
): Promise<LatestReading[]> {
  if (sensorIds.length === 0) return [];
  const latest = await byIndex(db, (trx) =>
    sql<LatestReading>`
      select s.id as "sensorId", r.recorded_at as "recordedAt", r.temperature
      from unnest(${[...sensorIds]}::text[]) s (id)
      cross join lateral (
        select recorded_at, temperature
        from metering.readings
        where organization_id = ${organizationId} and sensor_id = s.id
        order by recorded_at desc
        limit 1
      ) r
    `.execute(trx),
  );
  return latest.rows;
}

/** What a sensor recorded in one day or hour; nulls where it recorded nothing. */
export type TemperatureBucket = {
  start: Date;
  /** Of so many readings; `readingsMax` of them at most are looked at. */
  readings: number;
  lowest: number | null;
  mean: number | null;
  highest: number | null;
};

export const temperatureSteps = ["day", "hour"] as const;
export type TemperatureSpan = { from: Date; to: Date; step: (typeof temperatureSteps)[number] };

/** As many readings of a day, or an hour, are looked at: all of a sensor that records every quarter of an hour. */
export const readingsMax = 100;

/**
 * A sensor's temperatures by the UTC day or hour in which they were recorded, from its first reading in the span to its last. Each
 * step reads one range of the key, so that the time does not grow with how often the sensor records.
 */
export async function readTemperatures(
  db: Db,
  sensor: { organizationId: string; sensorId: string },
  { from, to, step }: TemperatureSpan,
): Promise<TemperatureBucket[]> {
  const buckets = await byIndex(db, (trx) =>
    sql<TemperatureBucket>`
      select d.start, t.readings, t.lowest, t.mean, t.highest
      from (
        select utc at time zone 'UTC' as start, (utc + ${`1 ${step}`}::interval) at time zone 'UTC' as "end"
        from generate_series(
          date_trunc(${step}, ${from}::timestamptz at time zone 'UTC'),
          ${to}::timestamptz at time zone 'UTC' - interval '1 microsecond',
          ${`1 ${step}`}::interval
        ) utc
      ) d
      cross join lateral (
        select
          count(*)::int as readings, min(r.temperature)::float8 as lowest,
          -- As decimals: the mean of doubles squares them, which overflows from 1e154 on.
          avg(r.temperature::numeric)::float8 as mean, max(r.temperature)::float8 as highest
        from (
          select temperature
          from metering.readings
          where organization_id = ${sensor.organizationId} and sensor_id = ${sensor.sensorId}
            and recorded_at >= d.start and recorded_at < d."end"
          order by recorded_at
          limit ${readingsMax}
        ) r
      ) t
      order by d.start
    `.execute(trx),
  );
  const isThere = ({ readings }: TemperatureBucket) => readings > 0;
  const first = buckets.rows.findIndex(isThere);
  return first === -1 ? [] : buckets.rows.slice(first, buckets.rows.findLastIndex(isThere) + 1);
}
