import { expect } from "vitest";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";

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
