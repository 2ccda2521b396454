import { Client } from "pg";
import { expect, inject } from "vitest";
import { databaseTest as test } from "./database-fixture.ts";
import { createTestDatabase } from "./test-database.ts";

test("a test's database has the program's schema", async ({ database }) => {
  const { rows } = await database.pool.query(
    "select to_regclass('metering.readings') is not null as present",
  );

  expect(rows).toEqual([{ present: true }]);
});

test("two tests get different databases", async () => {
  const [one, other] = await Promise.all([createTestDatabase(), createTestDatabase()]);
  try {
    await one.pool.query("create table metering.only_here ()");
    const { rows } = await other.pool.query("select to_regclass('metering.only_here') as found");

    expect(one.url).not.toBe(other.url);
    expect(rows).toEqual([{ found: null }]);
  } finally {
    await Promise.all([one.drop(), other.drop()]);
  }
});

test("a dropped database is gone, also while another session uses it", async () => {
  const database = await createTestDatabase();
  const session = new Client({ connectionString: database.url });
  const errors: Error[] = [];
  session.on("error", (error) => errors.push(error));
  await session.connect();

  await database.drop();

  expect(await databaseNames()).not.toContain(new URL(database.url).pathname.slice(1));
  await expect.poll(() => errors[0]).toMatchObject({ code: "57P01" });
});

test("a test that keeps a connection is told so, and its database is gone all the same", async () => {
  const database = await createTestDatabase();
  await database.pool.connect();

  await expect(database.drop()).rejects.toThrow("still holds 1");

  expect(await databaseNames()).not.toContain(new URL(database.url).pathname.slice(1));
});

async function databaseNames(): Promise<string[]> {
  const client = new Client({ connectionString: inject("testServer").url });
  await client.connect();
  try {
    const { rows } = await client.query<{ datname: string }>("select datname from pg_database");
    return rows.map((row) => row.datname);
  } finally {
    await client.end();
  }
}
