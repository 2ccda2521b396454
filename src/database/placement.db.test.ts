import { sql } from "kysely";
import { expect, inject } from "vitest";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { placement, triggersOfOneServer } from "./placement.ts";

test("each table has one place on a cluster", async ({ database }) => {
  const { rows } = await sql<{ table: string }>`
    select relname as table from pg_class
    where relnamespace = 'metering'::regnamespace and relkind in ('r', 'p') and not relispartition
  `.execute(database.db);

  const placed = [...placement.distributed, ...placement.reference, ...placement.local];

  expect(placed.toSorted()).toEqual(rows.map(({ table }) => table).toSorted());
});

test("what is distributed has the organization first in its key, and its own rows alone", async ({
  database,
}) => {
  const { rows } = await sql<{ table: string }>`
    select c.relname as table
    from pg_class c
    join pg_constraint k on k.conrelid = c.oid and k.contype in ('p', 'u')
    join pg_attribute a on a.attrelid = c.oid and a.attnum = k.conkey[1]
    where c.relnamespace = 'metering'::regnamespace and c.relname = any(${placement.distributed})
      and a.attname <> 'organization_id'
  `.execute(database.db);

  expect(rows).toEqual([]);
});

test("what is distributed has a key, without which a cluster cannot move it to another node", async ({
  database,
}) => {
  const { rows } = await sql<{ table: string }>`
    select c.relname as table
    from pg_class c
    where c.relnamespace = 'metering'::regnamespace and c.relname = any(${placement.distributed})
      and not exists (select 1 from pg_index i where i.indrelid = c.oid and i.indisprimary)
  `.execute(database.db);

  expect(rows).toEqual([]);
});

test("the triggers that a cluster goes without are of the schema of one Postgres alone", async ({
  database,
}) => {
  const { rows } = await sql<{ table: string; trigger: string }>`
    select c.relname as table, t.tgname as trigger
    from pg_trigger t
    join pg_class c on c.oid = t.tgrelid
    where c.relnamespace = 'metering'::regnamespace and not t.tgisinternal
  `.execute(database.db);

  const isCluster = inject("testServer").cluster !== undefined;
  expect(triggersOfOneServer.filter(({ trigger }) => rows.some((row) => row.trigger === trigger))).toEqual(
    isCluster ? [] : triggersOfOneServer,
  );
});
