import type pg from "pg";
import { expect } from "vitest";
import { silentLog } from "../log.ts";
import { databaseTest } from "../testing/postgres/database-fixture.ts";
import { openDatabase } from "./pool.ts";

type Kept = { statement: string; plans: number };

/** One connection that keeps plans. */
const test = databaseTest.extend("connection", async ({ database }, { onCleanup }) => {
  const own = openDatabase(
    { connectionString: database.url, applicationName: "keeps plans", connectionsMax: 1, keepsPlans: true },
    silentLog,
  );
  const client = await own.pool.connect();
  onCleanup(async () => {
    client.release();
    await own.close();
  });
  return client;
});

const listKept = async (connection: pg.ClientBase): Promise<Kept[]> =>
  (
    await connection.query<Kept>(
      `select statement, (generic_plans + custom_plans)::int as plans
       from pg_prepared_statements order by prepare_time`,
    )
  ).rows;

const add = "/* kept */ select $1::int + 1 as sum";

test("a statement that says so is kept by its connection, and others are not", async ({ connection }) => {
  const sums = [];
  for (const n of [1, 2, 3]) sums.push(...(await connection.query<{ sum: number }>(`\n  ${add}`, [n])).rows);
  await connection.query("select $1::int + 2 as sum", [1]);
  await connection.query("select 1 /* kept */");

  expect(sums).toEqual([{ sum: 2 }, { sum: 3 }, { sum: 4 }]);
  expect(await listKept(connection)).toEqual([{ statement: `\n  ${add}`, plans: 3 }]);
});

test("after five uses its plan is the one for all parameters", async ({ connection }) => {
  for (let n = 0; n < 7; n += 1) await connection.query(add, [n]);

  const { rows } = await connection.query(
    "select custom_plans::int as custom, generic_plans::int as generic from pg_prepared_statements",
  );
  expect(rows).toEqual([{ custom: 5, generic: 2 }]);
});

test("a statement that the server lost fails once, and is planned anew", async ({ connection }) => {
  await connection.query(add, [1]);
  await connection.query("deallocate all");

  await expect(connection.query(add, [1])).rejects.toMatchObject({ code: "26000" });

  expect((await connection.query(add, [1])).rows).toEqual([{ sum: 2 }]);
});

test("a statement whose result has another type since a migration fails once, and is planned anew", async ({
  connection,
}) => {
  const read = "/* kept */ select * from public.changing where id = $1";
  await connection.query("create table public.changing (id int, value int)");
  await connection.query("insert into public.changing values (1, 5)");
  await connection.query(read, [1]);
  await connection.query("alter table public.changing alter value type text");

  await expect(connection.query(read, [1])).rejects.toMatchObject({ code: "0A000" });

  expect((await connection.query(read, [1])).rows).toEqual([{ id: 1, value: "5" }]);
});

test("an error of the statement itself is told as ever, and its plan stays", async ({ connection }) => {
  const divide = "/* kept */ select 10 / $1::int as part";
  await connection.query(divide, [5]);

  await expect(connection.query(divide, [0])).rejects.toMatchObject({ code: "22012" });

  expect((await connection.query(divide, [2])).rows).toEqual([{ part: 5 }]);
  expect(await listKept(connection)).toHaveLength(1);
});
