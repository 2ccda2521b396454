import { sql } from "kysely";
import type { Db } from "../database/db.ts";

/** An organization's active sensors in a stretch of time: at its last count, and the most and fewest of all its counts. */
export type SensorBucket = { start: Date; latest: number; most: number; fewest: number };

export type SensorSpan = {
  /** Half-open: `from` counts, `to` does not. */
  from: Date;
  to: Date;
  granularity: "hour" | "day" | "month";
};

/**
 * The counts of an organization's sensors by UTC hours, days or months. A stretch without a count is left out: nothing is
 * counted while an organization has no customer, or its status is not billable.
 */
export async function readSensorHistory(
  db: Db,
  organizationId: string,
  { from, to, granularity }: SensorSpan,
): Promise<SensorBucket[]> {
  const history = await sql<SensorBucket>`
    select
      date_trunc(${granularity}, hour, 'UTC') as start,
      (array_agg(active_sensors order by hour desc))[1] as latest,
      max(active_sensors) as most, min(active_sensors) as fewest
    from metering.sensor_counts
    where organization_id = ${organizationId} and hour >= ${from} and hour < ${to}
    group by 1
    order by 1
  `.execute(db);
  return history.rows;
}
