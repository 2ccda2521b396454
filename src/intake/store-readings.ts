import type pg from "pg";
import type { Reading } from "../usage/reading.ts";

/** What became of a reading that was valid in itself. */
export type StoredAs =
  | { status: "accepted" }
  | { status: "duplicate" }
  | { status: "rejected"; code: "conflict" | "unknown_sensor" | "sensor_inactive"; detail: string };

type Missed = { index: number; is_known: boolean; is_active: boolean; stored: number | null };

/**
 * The whole of intake in one statement, which is one transaction: the readings that are new and whose sensor is
 * active, and one entry with the number of rows that were inserted, not requested. Both are there or neither.
 *
 * - No call to pg-boss and no NOTIFY: either would cost intake most of its speed, and the seal finds entries anyway.
 * - The insert is ordered by key, so that two requests with the same readings wait for each other and never
 *   deadlock.
 * - The entry's id holds its occurred_at, so that a reading's entry is found by primary key.
 * - What was not inserted comes back with the reason; `stored` is what an earlier statement stored for the same key.
 */
const storeReadingsStatement = `
with input as (
  select sensor_id, recorded_at, temperature, (n - 1)::int as index
  from unnest($2::text[], $3::timestamptz[], $4::float8[]) with ordinality
    as i (sensor_id, recorded_at, temperature, n)
),
entry as materialized (
  select occurred_at, metering.uuid_v7(occurred_at) as id
  from (select date_trunc('milliseconds', now()) as occurred_at) t
),
inserted as (
  insert into metering.readings (organization_id, sensor_id, recorded_at, temperature, entry_id)
  select $1::uuid, i.sensor_id, i.recorded_at, i.temperature, e.id
  from input i
  cross join entry e
  join metering.sensors s
    on s.organization_id = $1::uuid and s.id = i.sensor_id and s.deactivated_at is null
  order by i.sensor_id, i.recorded_at
  on conflict do nothing
  returning sensor_id, recorded_at
),
counted as (
  insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity)
  select $1::uuid, e.occurred_at, e.id, 'temperature_readings', c.quantity
  from entry e
  cross join (select count(*) as quantity from inserted) c
  where c.quantity > 0
),
missed as materialized (
  select i.index, i.sensor_id, i.recorded_at
  from input i
  where not exists (
    select from inserted x where x.sensor_id = i.sensor_id and x.recorded_at = i.recorded_at
  )
)
select m.index, s.id is not null as is_known, s.deactivated_at is null as is_active, r.temperature as stored
from missed m
left join metering.sensors s on s.organization_id = $1::uuid and s.id = m.sensor_id
left join lateral (
  select temperature from metering.readings r
  where r.organization_id = $1::uuid and r.sensor_id = m.sensor_id and r.recorded_at = m.recorded_at
  limit 1
) r on true
`;

/**
 * Stores readings and their entry; answers in the order of `readings`. The same sensor and moment twice in one call
 * is judged like two calls. Throws what pg throws; whether the transaction then committed is for the caller to tell.
 */
export async function storeReadings(
  client: pg.ClientBase,
  organizationId: string,
  readings: readonly Reading[],
): Promise<StoredAs[]> {
  const firstByKey = new Map<string, Reading>();
  for (const reading of readings) {
    const key = keyOf(reading);
    if (!firstByKey.has(key)) firstByKey.set(key, reading);
  }
  const distinct = [...firstByKey.values()];
  const missed = await insertReadings(client, organizationId, distinct);
  const missedByKey = new Map(missed.map((row) => [keyOf(at(distinct, row.index)), row]));
  return readings.map((reading) => {
    const key = keyOf(reading);
    const row = missedByKey.get(key);
    if (row !== undefined) return judgeMissed(row, reading);
    const inserted = firstByKey.get(key) ?? reading;
    return inserted === reading ? { status: "accepted" } : compare(inserted.temperature, reading);
  });
}

async function insertReadings(
  client: pg.ClientBase,
  organizationId: string,
  readings: readonly Reading[],
): Promise<Missed[]> {
  const { rows } = await client.query<Missed>({
    name: "store_readings",
    text: storeReadingsStatement,
    values: [organizationId, ...columnsOf(readings), readings.map((reading) => reading.temperature)],
  });
  // A concurrent request stored the same reading after our statement's snapshot: only a second look sees its value.
  const unseen = rows.filter((row) => row.is_known && row.is_active && row.stored === null);
  if (unseen.length > 0) await fillStored(client, organizationId, { unseen, readings });
  return rows;
}

async function fillStored(
  client: pg.ClientBase,
  organizationId: string,
  { unseen, readings }: { unseen: Missed[]; readings: readonly Reading[] },
): Promise<void> {
  const keys = unseen.map((row) => at(readings, row.index));
  const found = await client.query<{ n: number; temperature: number }>({
    name: "read_stored_temperatures",
    text: `
      select (n - 1)::int as n, r.temperature
      from unnest($2::text[], $3::timestamptz[]) with ordinality as i (sensor_id, recorded_at, n)
      join metering.readings r
        on r.organization_id = $1::uuid and r.sensor_id = i.sensor_id and r.recorded_at = i.recorded_at
    `,
    values: [organizationId, ...columnsOf(keys)],
  });
  for (const row of found.rows) at(unseen, row.n).stored = row.temperature;
}

function judgeMissed(row: Missed, reading: Reading): StoredAs {
  // Asked first: what was stored while the sensor was active stays a duplicate when it is sent again afterwards.
  if (row.stored !== null) return compare(row.stored, reading);
  if (!row.is_known) {
    return {
      status: "rejected",
      code: "unknown_sensor",
      detail: "register the sensor first: PUT /v1/sensors/{sensor_id}",
    };
  }
  if (!row.is_active) {
    return {
      status: "rejected",
      code: "sensor_inactive",
      detail: "the sensor is deactivated; PUT /v1/sensors/{sensor_id} with active true brings it back",
    };
  }
  throw new Error("a reading was neither inserted nor found");
}

function compare(stored: number, reading: Reading): StoredAs {
  if (stored === reading.temperature) return { status: "duplicate" };
  return {
    status: "rejected",
    code: "conflict",
    detail: `${stored} °C is stored for this sensor and moment, and stays`,
  };
}

function columnsOf(readings: readonly Reading[]): [string[], string[]] {
  return [readings.map((reading) => reading.sensorId), readings.map((reading) => reading.recordedAt)];
}

function keyOf(reading: Reading): string {
  return `${reading.recordedAt} ${reading.sensorId}`;
}

function at<T>(list: readonly T[], index: number): T {
  const item = list[index];
  if (item === undefined) throw new RangeError(`no item ${index}`);
  return item;
}
