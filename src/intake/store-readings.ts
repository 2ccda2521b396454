import type pg from "pg";
import { arrayLiteral } from "../database/array-literal.ts";
import { uuidTail } from "../database/uuid-v7.ts";
import type { Reading } from "../usage/reading.ts";
import { at, type Batch, type Columns, columnsOf, keyAt, keyOf, keysOf } from "./columns.ts";
import { compare, judgeMissed, type Missed, type StoredAs } from "./judge-stored.ts";

type Row = (Missed | { index: null }) & { inserted: number };
type Inserted = { inserted: number; missed: Missed[] };

const accepted = { status: "accepted" } as const;

/**
 * The whole of intake in one statement, which is one transaction: the readings that are new and whose sensor is
 * active, and one entry for each organization with the number of its rows that were inserted, not requested. All are
 * there or nothing is.
 *
 * - No call to pg-boss and no NOTIFY: either would cost intake most of its speed, and the seal finds entries anyway.
 * - The insert is ordered by key, so that two statements with the same readings wait for each other and never
 *   deadlock. The order is only ours, so it takes the cheapest collation. Of two readings of one sensor and moment the
 *   first is inserted.
 * - Organizations ($1) and their entries' ids are arrays, subscripted by each reading's `organization`: a join would
 *   be planned without knowing how many there are.
 * - Each reading looks its sensor up by key (`lateral` and `limit 1` leave no other way), whatever the statistics say.
 * - The entry's id holds its occurred_at, so that a reading's entry is found by primary key. That half of all ids is made
 *   once ("offset 0"); the other ($7) comes with the statement.
 * - Keys that were not inserted come back with the reason; `stored` is what an earlier statement stored for them. When
 *   every reading was inserted, which is nearly always, nothing is looked for, and one row says so.
 */
const storeReadingsStatement = `
with input as (
  select ($1::uuid[])[organization] as organization_id, organization, sensor_id, recorded_at, temperature,
    (n - 1)::int as index
  from unnest($2::int[], $3::text[], $4::timestamptz[], $5::float8[]) with ordinality
    as i (organization, sensor_id, recorded_at, temperature, n)
),
entry as materialized (
  select occurred_at, array(select (time || tail)::uuid from unnest($7::text[]) tail) as ids
  from (
    select occurred_at, left(metering.uuid_v7(occurred_at)::text, 18) as time
    from (select date_trunc('milliseconds', now()) as occurred_at) t
    offset 0
  ) t
),
inserted as (
  insert into metering.readings (organization_id, sensor_id, recorded_at, temperature, entry_id)
  select i.organization_id, i.sensor_id, i.recorded_at, i.temperature, e.ids[i.organization]
  from input i
  cross join entry e
  cross join lateral (
    select from metering.sensors s
    where s.organization_id = i.organization_id and s.id = i.sensor_id and s.deactivated_at is null
    limit 1
  ) s
  order by i.organization_id, i.sensor_id collate "C", i.recorded_at, i.index
  on conflict do nothing
  returning organization_id, sensor_id, recorded_at, entry_id
),
counted as (
  insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity, traceparent)
  select c.organization_id, e.occurred_at, c.entry_id, 'temperature_readings', c.quantity, $6::text
  from entry e
  cross join (
    select organization_id, entry_id, count(*) as quantity from inserted group by organization_id, entry_id
  ) c
),
total as (
  select count(*)::int as inserted from inserted
),
missed as materialized (
  select i.index, i.organization_id, i.sensor_id, i.recorded_at
  from input i
  where (select inserted from total) < cardinality($2::int[])
    and not exists (
      select from inserted x
      where x.organization_id = i.organization_id and x.sensor_id = i.sensor_id and x.recorded_at = i.recorded_at
    )
)
select t.inserted, m.index, s.id is not null as is_known, s.deactivated_at is null as is_active,
  r.temperature as stored
from total t
left join missed m on true
left join lateral (
  select id, deactivated_at from metering.sensors s
  where s.organization_id = m.organization_id and s.id = m.sensor_id
  limit 1
) s on true
left join lateral (
  select temperature from metering.readings r
  where r.organization_id = m.organization_id and r.sensor_id = m.sensor_id and r.recorded_at = m.recorded_at
  limit 1
) r on true
`;

/**
 * Stores the readings of several requests and their entries in one transaction; answers for each request in the order
 * of its readings. The same sensor and moment twice, in one request or in two, is judged as if the second came later.
 * Throws what pg throws; whether the transaction then committed is for the caller to tell. The entries carry
 * `traceparent`, so that the trace can be followed on.
 */
export async function storeBatches(
  client: pg.ClientBase,
  batches: readonly Batch[],
  { traceparent }: { traceparent?: string | undefined } = {},
): Promise<StoredAs[][]> {
  const { organizations, input } = columnsOf(batches);
  const { inserted, missed } = await insertReadings(client, [...organizations.keys()], {
    input,
    traceparent,
  });
  if (inserted === input.organization.length) {
    return batches.map(({ readings }) => readings.map(() => accepted));
  }
  return judgeEach(batches, { organizations, input, missed });
}

/** For a statement that did not insert everything: the result of each reading. */
export function judgeEach(
  batches: readonly Batch[],
  { organizations, input, missed }: { organizations: Map<string, number>; input: Columns; missed: Missed[] },
): StoredAs[][] {
  const missedByKey = new Map(missed.map((row) => [keyAt(input, row.index), row]));
  const firstByKey = new Map<string, Reading>();
  return batches.map(({ organizationId, readings }) => {
    const organization = organizations.get(organizationId) ?? 0;
    return readings.map((reading) => {
      const key = keyOf(organization, reading);
      const row = missedByKey.get(key);
      if (row !== undefined) return judgeMissed(row, reading);
      const first = firstByKey.get(key);
      if (first !== undefined) return compare(first.temperature, reading);
      firstByKey.set(key, reading);
      return accepted;
    });
  });
}

/** The same for one request. */
export async function storeReadings(
  client: pg.ClientBase,
  organizationId: string,
  readings: readonly Reading[],
): Promise<StoredAs[]> {
  return at(await storeBatches(client, [{ organizationId, readings }]), 0);
}

async function insertReadings(
  client: pg.ClientBase,
  organizations: readonly string[],
  { input, traceparent = null }: { input: Columns; traceparent?: string | null | undefined },
): Promise<Inserted> {
  const { rows } = await client.query<Row>({
    name: "store_readings",
    text: storeReadingsStatement,
    values: [
      arrayLiteral(organizations),
      ...keysOf(input),
      arrayLiteral(input.temperature),
      traceparent,
      arrayLiteral(organizations.map(uuidTail)),
    ],
  });
  // A concurrent request stored the same reading after our statement's snapshot: only a second look sees its value.
  const missed = rows.filter((row) => row.index !== null);
  const unseen = missed.filter((row) => row.is_known && row.is_active && row.stored === null);
  if (unseen.length > 0) await fillStored(client, organizations, { unseen, input });
  return { inserted: at(rows, 0).inserted, missed };
}

/** Those that lie in a month that was dropped keep null: a trigger leaves them out. Throws when another is not there. */
async function fillStored(
  client: pg.ClientBase,
  organizations: readonly string[],
  { unseen, input }: { unseen: Missed[]; input: Columns },
): Promise<void> {
  const pick = <T>(column: readonly T[]) => unseen.map((row) => at(column, row.index));
  const { organization, sensorId, recordedAt } = input;
  const keys = { organization: pick(organization), sensorId: pick(sensorId), recordedAt: pick(recordedAt) };
  const found = await client.query<{ n: number; temperature: number | null }>({
    name: "read_stored_temperatures",
    text: `
      select (n - 1)::int as n, r.temperature
      from unnest($2::int[], $3::text[], $4::timestamptz[]) with ordinality
        as i (organization, sensor_id, recorded_at, n)
      cross join lateral (
        select temperature from metering.readings r
        where r.organization_id = ($1::uuid[])[i.organization] and r.sensor_id = i.sensor_id
          and r.recorded_at = i.recorded_at
        union all
        select null from metering.dropped_partitions d
        where d.table_name = 'readings' and d.month = date_trunc('month', i.recorded_at, 'UTC')
        limit 1
      ) r
    `,
    values: [arrayLiteral(organizations), ...keysOf(keys)],
  });
  if (found.rows.length < unseen.length) throw new Error("a reading was neither inserted nor found");
  for (const row of found.rows) at(unseen, row.n).stored = row.temperature;
}
