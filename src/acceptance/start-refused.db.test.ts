import { sql } from "kysely";
import { expect } from "vitest";
import { emptyDatabaseTest as test } from "../testing/postgres/empty-database-fixture.ts";

const services = ["api", "worker"] as const;

test.for(services)("the %s refuses to start on an empty database", async (service, { empty, launch }) => {
  const refused = launch(service, { DATABASE_URL: empty.url });

  expect(await refused.ended()).toBe(1);
  expect(refused.output()).toContain("node dist/migrate.js");
});

test.for(services)("the %s refuses to start on an older schema", async (service, { database, launch }) => {
  const latest = sql`select max(name) from metering.kysely_migration`;
  await sql`delete from metering.kysely_migration where name = (${latest})`.execute(database.db);
  const refused = launch(service);

  expect(await refused.ended()).toBe(1);
  expect(refused.output()).toContain("node dist/migrate.js");
});

test.for(services)("the %s refuses to start on an older pg-boss", async (service, { database, launch }) => {
  await sql`update pgboss.version set version = version - 1`.execute(database.db);
  const refused = launch(service);

  expect(await refused.ended()).toBe(1);
  expect(refused.output()).toContain("node dist/migrate.js");
});

const faults = {
  api: { DATABASE_URL: "mysql://user:hunter2@host/db", PORT: "70000", ADMIN_TOKEN: "hunter2-too-short" },
  worker: { DATABASE_URL: "hunter2", STRIPE_SECRET_KEY: "pk_hunter2", SEAL_INTERVAL_SECONDS: "hunter2" },
  migrate: { DATABASE_URL: "hunter2", LOG_LEVEL: "hunter2" },
};

test.for(["api", "worker", "migrate"] as const)(
  "the %s ends with 78 and a line for each variable that is wrong, without its value",
  async (service, { launch }) => {
    const refused = launch(service, faults[service]);

    expect(await refused.ended()).toBe(78);
    const named = refused
      .output()
      .trim()
      .split("\n")
      .map((line) => line.replace(/:.*/, ""));
    expect(named.toSorted()).toEqual(Object.keys(faults[service]).toSorted());
    expect(refused.output()).not.toContain("hunter2");
  },
);

test("a variable that is missing is named", async ({ launch }) => {
  const refused = launch("api", { DATABASE_URL: "", ADMIN_TOKEN: "", STRIPE_WEBHOOK_SECRET: "" });

  expect(await refused.ended()).toBe(78);
  expect(refused.output().trim().split("\n").toSorted()).toEqual([
    "ADMIN_TOKEN: is required",
    "DATABASE_URL: is required",
    "STRIPE_WEBHOOK_SECRET: is required",
  ]);
});
