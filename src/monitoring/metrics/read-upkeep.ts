import { sql } from "kysely";
import { readOverdue } from "../../database/overdue-months.ts";
import { countDefaultPartitionRows } from "../../database/partitions.ts";
import type { Db } from "../../database/db.ts";
import type { Sample } from "./database-gauges.ts";
import type { Asked } from "./asked.ts";

/**
 * How long ago the latest counted hour of an organization began whose sensors are to be counted, if any was. Reads one
 * index entry for each organization.
 */
export async function readSensorCountGauges(db: Db, { billableStatuses }: Asked): Promise<Sample[]> {
  const counted = await sql<{ ageSeconds: number | null }>`
    select extract(epoch from now() - max(latest.hour))::float8 as "ageSeconds"
    from metering.subscriptions s
    cross join lateral (
      select c.hour from metering.sensor_counts c where c.organization_id = s.organization_id order by c.hour desc limit 1
    ) latest
    join metering.organizations o on o.id = s.organization_id and o.archived_at is null
    -- As a value, so that nothing offers the index of customers.
    where s.status = any(${billableStatuses}) and coalesce(s.stripe_customer_id, '') <> ''
  `.execute(db);
  const value = counted.rows[0]?.ageSeconds ?? null;
  return value === null ? [] : [{ name: "meter_outbox_sensor_count_age_seconds", value }];
}

/** Rows in the default partitions, where none should be. */
export async function readPartitionGauges(db: Db): Promise<Sample[]> {
  const rows = Object.entries(await countDefaultPartitionRows(db));
  return rows.map(([table, value]) => ({
    name: "meter_outbox_default_partition_rows",
    labels: { table },
    value,
  }));
}

/** For how long months that are past their retention have stayed. */
export async function readRetentionGauges(db: Db): Promise<Sample[]> {
  return (await readOverdue(db)).map(({ table, seconds }) => ({
    name: "meter_outbox_partition_overdue_seconds",
    labels: { table },
    value: seconds,
  }));
}
