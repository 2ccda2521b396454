import type pg from "pg";
import { expect } from "vitest";
import { silentLog } from "../log.ts";
import { databaseTest } from "../testing/postgres/database-fixture.ts";
import { openDatabase } from "./pool.ts";

type Kept = { statement: string; generic_plans: string; custom_plans: string };

/** One connection that keeps its plans. */
const test = databaseTest.extend("connection", async ({ database }, { onCleanup }) => {
  const own = openDatabase(
    {
      connectionString: database.url,
      applicationName: "keeps plans",
      connectionsMax: 1,
      plansByIndex: true,
      keepsPlans: true,
    },
    silentLog,
  );
  const client = await own.pool.connect();
  onCleanup(async () => {
    client.release();
    await own.close();
  });
  return client;
});

const kept = async (connection: pg.ClientBase): Promise<Kept[]> =>
  (
    await connection.query<Kept>(
      "select statement, generic_plans, custom_plans from pg_prepared_statements order by prepare_time",
    )
  ).rows;

test("a statement is planned once, for all its parameters", async ({ connection }) => {
  const add = "select $1::int + 1 as sum";
  const sums = [];
  for (const n of [1, 2, 3]) sums.push(...(await connection.query<{ sum: number }>(add, [n])).rows);

  expect(sums).toEqual([{ sum: 2 }, { sum: 3 }, { sum: 4 }]);
  expect(await kept(connection)).toEqual([{ statement: add, generic_plans: "3", custom_plans: "0" }]);
});

test("statements without parameters, and those past the first 200, are planned as ever", async ({
  connection,
}) => {
  await connection.query("select 1");
  for (let n = 0; n < 210; n += 1) await connection.query(`select $1::int + ${n}`, [1]);

  expect(await kept(connection)).toHaveLength(200);
  expect((await connection.query("select $1::int + 205 as sum", [1])).rows).toEqual([{ sum: 206 }]);
});

test("a statement that the server lost fails once, and is planned anew", async ({ connection }) => {
  const add = "select $1::int + 1 as sum";
  await connection.query(add, [1]);
  await connection.query("deallocate all");

  await expect(connection.query(add, [1])).rejects.toMatchObject({ code: "26000" });

  expect((await connection.query(add, [1])).rows).toEqual([{ sum: 2 }]);
});

test("a statement whose result has another type since a migration fails once, and is planned anew", async ({
  connection,
}) => {
  const read = "select * from public.changing where id = $1";
  await connection.query("create table public.changing (id int, value int)");
  await connection.query("insert into public.changing values (1, 5)");
  await connection.query(read, [1]);
  await connection.query("alter table public.changing alter value type text");

  await expect(connection.query(read, [1])).rejects.toMatchObject({ code: "0A000" });

  expect((await connection.query(read, [1])).rows).toEqual([{ id: 1, value: "5" }]);
});

test("an error of the statement itself is told as ever, and its plan stays", async ({ connection }) => {
  const divide = "select 10 / $1::int as part";
  await connection.query(divide, [5]);

  await expect(connection.query(divide, [0])).rejects.toMatchObject({ code: "22012" });

  expect((await connection.query(divide, [2])).rows).toEqual([{ part: 5 }]);
  expect(await kept(connection)).toMatchObject([{ generic_plans: "3" }]);
});
