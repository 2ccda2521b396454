import { sql } from "kysely";
import { expect } from "vitest";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { clockOfUuids, uuidsFrom } from "./uuid-v7.ts";

test("ids made a microsecond apart are in the order of their making", async ({ database: { pool } }) => {
  const { rows } = await pool.query<{ id: string }>(`
    select metering.uuid_v7(timestamptz '2026-12-31T23:59:59.999Z' + n * interval '1 microsecond') as id
    from generate_series(0, 1999) n
    order by n
  `);

  const ids = rows.map(({ id }) => id);
  expect(ids).toHaveLength(2_000);
  expect(ids).toEqual(ids.toSorted());
});

test("ids of one moment differ, and each is a version 7 UUID that holds its millisecond", async ({
  database: { pool },
}) => {
  const { rows } = await pool.query<{ ids: number; faults: number }>(`
    select
      count(distinct id)::int as ids,
      (count(*) filter (
        where metering.uuid_v7_time(id) <> date_trunc('milliseconds', at) or id::text !~ '^.{14}7.{4}[89ab]'
      ))::int as faults
    from unnest(array['1970-01-01T00:00:00Z', '2026-12-31T23:59:59.999999Z']::timestamptz[]) at
    cross join lateral (select metering.uuid_v7(at) as id from generate_series(1, 1000)) made
  `);

  expect(rows).toEqual([{ ids: 2_000, faults: 0 }]);
});

test("ids made here and ids that Postgres makes are of one kind and one order", async ({
  database: { db },
}) => {
  const { rows } = await sql<{ before: string; clock: string; after: string }>`
    select metering.uuid_v7(clock_timestamp()) as before, pg_sleep(0.002), ${clockOfUuids} as clock, pg_sleep(0.002),
      metering.uuid_v7(clock_timestamp()) as after
  `.execute(db);
  const { before = "", clock = "", after = "" } = rows[0] ?? {};

  const nextId = uuidsFrom(clock);
  const ids = Array.from({ length: 4_097 }, () => nextId());

  expect(new Set(ids).size).toBe(4_097);
  expect([before, ...ids.slice(0, 100), after].toSorted()).toEqual([before, ...ids.slice(0, 100), after]);
  expect(ids.toSorted()).toEqual(ids);
  for (const id of ids)
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const { rows: times } = await sql<{ ms: number }>`
    select extract(epoch from metering.uuid_v7_time(${ids.at(-1)}::uuid) - metering.uuid_v7_time(${ids[0]}::uuid))::float8 * 1000 as ms
  `.execute(db);
  // 4,096 of them are a millisecond.
  expect(times[0]?.ms).toBe(1);
});
