import type pg from "pg";
import type { Missed, StoredAs } from "./judge-stored.ts";
import { arrayLiteral, at, type Batch, type Columns, columnsOf, keyAt, keysOf } from "./columns.ts";
import { judgeEach } from "./store-readings.ts";

/** An entry of each organization: the moment of intake, and one id for each of them. */
type Entries = { occurredAt: string; ids: string[] };
type Stored = { index: number; entry_id: string; temperature: number };
type Sensor = { index: number; is_active: boolean };

const accepted = { status: "accepted" } as const;

/** The sensors are the source, and the filter names them: so Citus sends the statement to their node whole. */
const insertStatement = `
insert into metering.readings (organization_id, sensor_id, recorded_at, temperature, entry_id)
select s.organization_id, i.sensor_id, i.recorded_at, i.temperature, ($6::uuid[])[i.organization]
from unnest($2::int[], $3::text[], $4::timestamptz[], $5::float8[]) with ordinality
  as i (organization, sensor_id, recorded_at, temperature, n)
join metering.sensors s
  on s.organization_id = ($1::uuid[])[i.organization] and s.id = i.sensor_id and s.deactivated_at is null
where s.organization_id = any($1::uuid[])
order by s.organization_id, i.sensor_id collate "C", i.recorded_at, i.n
on conflict do nothing
`;

const storedStatement = `
select (i.n - 1)::int as index, r.entry_id, r.temperature
from unnest($2::int[], $3::text[], $4::timestamptz[]) with ordinality as i (organization, sensor_id, recorded_at, n)
cross join lateral (
  select entry_id, temperature from metering.readings r
  where r.organization_id = any($1::uuid[]) and r.organization_id = ($1::uuid[])[i.organization]
    and r.sensor_id = i.sensor_id and r.recorded_at = i.recorded_at
  limit 1
) r
`;

const sensorsStatement = `
select (i.n - 1)::int as index, s.is_active
from unnest($2::int[], $3::text[]) with ordinality as i (organization, sensor_id, n)
cross join lateral (
  select deactivated_at is null as is_active from metering.sensors s
  where s.organization_id = any($1::uuid[]) and s.organization_id = ($1::uuid[])[i.organization] and s.id = i.sensor_id
  limit 1
) s
`;

/** A sensor was registered or brought back between two statements. All is to be taken back and done again. */
export class SensorChanged extends Error {
  constructor() {
    super("a sensor came into use while its readings were stored");
    this.name = "SensorChanged";
  }
}

/**
 * The same as `storeBatches` for organizations of one shard of a cluster, in statements that Citus sends to the shard's
 * node whole: the readings, then the entries, and only where a reading was not new, what is stored in its place. They
 * are one transaction: `first` begins it, the caller commits it. Each statement sees what was committed before it
 * began, so that the loser of a race finds the winner's reading. Throws `SensorChanged`.
 */
export async function storeOnShard(
  client: pg.ClientBase,
  batches: readonly Batch[],
  { first = "", traceparent }: { first?: "" | "begin;"; traceparent?: string | undefined } = {},
): Promise<StoredAs[][]> {
  const { organizations, input } = columnsOf(batches);
  const keys: Keys = { organizations: [...organizations.keys()], input };
  const entries = await openEntries(client, keys, first);
  const inserted = await client.query({
    name: "insert_readings",
    text: insertStatement,
    values: [
      arrayLiteral(keys.organizations),
      ...keysOf(input),
      arrayLiteral(input.temperature),
      entries.ids,
    ],
  });
  if (inserted.rowCount === input.organization.length) {
    await insertEntries(client, keys, {
      entries,
      quantities: countEach(keys, input.organization),
      traceparent,
    });
    return batches.map(({ readings }) => readings.map(() => accepted));
  }
  const { missed, quantities } = await readMissed(client, keys, entries);
  const isCounted = quantities.reduce((sum, quantity) => sum + quantity, 0) === inserted.rowCount;
  if (!isCounted) throw new Error("the readings that were stored are not those that were inserted");
  await insertEntries(client, keys, { entries, quantities, traceparent });
  return judgeEach(batches, { organizations, input, missed });
}

type Keys = { organizations: readonly string[]; input: Columns };

/** The ids come from the database, whose clock they hold. */
async function openEntries(
  client: pg.ClientBase,
  { organizations }: Keys,
  first: "" | "begin;",
): Promise<Entries> {
  const results: pg.QueryResult<Entries> | pg.QueryResult<Entries>[] = await client.query(`
    ${first}
    select occurred_at::text as "occurredAt",
      array(select metering.uuid_v7(occurred_at)::text from generate_series(1, ${organizations.length})) as ids
    from (select date_trunc('milliseconds', now()) as occurred_at) t
  `);
  const [row] = [results].flat().at(-1)?.rows ?? [];
  if (row === undefined) throw new Error("the database has no clock");
  return row;
}

/** How many of these readings each organization has, by its place. */
function countEach({ organizations }: Keys, places: readonly number[]): number[] {
  const counts = organizations.map(() => 0);
  for (const place of places) counts[place - 1] = at(counts, place - 1) + 1;
  return counts;
}

async function insertEntries(
  client: pg.ClientBase,
  { organizations }: Keys,
  {
    entries,
    quantities,
    traceparent = null,
  }: { entries: Entries; quantities: readonly number[]; traceparent?: string | null | undefined },
): Promise<void> {
  const values: unknown[] = [entries.occurredAt, traceparent];
  const rows: string[] = [];
  for (const [n, organizationId] of organizations.entries()) {
    const quantity = at(quantities, n);
    if (quantity === 0) continue;
    const next = values.push(organizationId, at(entries.ids, n), quantity);
    rows.push(
      `($${next - 2}::uuid, $1::timestamptz, $${next - 1}::uuid, 'temperature_readings', $${next}::bigint, $2::text)`,
    );
  }
  if (rows.length === 0) return;
  const text = `
    insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity, traceparent)
    values ${rows.join(", ")}
  `;
  await client.query(rows.length === 1 ? { name: "insert_entry", text, values } : { text, values });
}

/** What is stored under the keys: the readings of ours, counted, and the others with the reason. */
async function readMissed(
  client: pg.ClientBase,
  keys: Keys,
  { ids }: Entries,
): Promise<{ missed: Missed[]; quantities: number[] }> {
  const { organizations, input } = keys;
  const stored = await client.query<Stored>({
    name: "read_stored",
    text: storedStatement,
    values: [arrayLiteral(organizations), ...keysOf(input)],
  });
  const ours = new Map<string, number>();
  const missed: Missed[] = [];
  const isFound = new Set<number>();
  for (const { index, entry_id: entryId, temperature } of stored.rows) {
    const place = at(input.organization, index);
    isFound.add(index);
    if (entryId === ids[place - 1]) ours.set(keyAt(input, index), place);
    else missed.push({ index, is_known: true, is_active: true, stored: temperature });
  }
  const absent = input.organization.flatMap((_, index) => (isFound.has(index) ? [] : [index]));
  if (absent.length > 0) missed.push(...(await readSensors(client, keys, absent)));
  return { missed, quantities: countEach(keys, [...ours.values()]) };
}

/** Of readings that are not stored: whether their sensors are there. */
async function readSensors(client: pg.ClientBase, keys: Keys, absent: readonly number[]): Promise<Missed[]> {
  const pick = <T>(column: readonly T[]) => absent.map((index) => at(column, index));
  const { organization, sensorId, recordedAt } = keys.input;
  const [places, sensorIds] = keysOf({
    organization: pick(organization),
    sensorId: pick(sensorId),
    recordedAt: pick(recordedAt),
  });
  const { rows } = await client.query<Sensor>({
    name: "read_sensors",
    text: sensorsStatement,
    values: [arrayLiteral(keys.organizations), places, sensorIds],
  });
  if (rows.some(({ is_active: isActive }) => isActive)) throw new SensorChanged();
  const isKnown = new Set(rows.map(({ index }) => at(absent, index)));
  return absent.map((index) => ({ index, is_known: isKnown.has(index), is_active: false, stored: null }));
}
