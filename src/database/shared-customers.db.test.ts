import { sql } from "kysely";
import { expect } from "vitest";
import { emptyDatabaseTest as test } from "../testing/postgres/empty-database-fixture.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { migrate } from "../migrate/migrate.ts";
import { createMigrator } from "../migrate/migrations.ts";

test("a database with two organizations of one customer is migrated with a warning", async ({ empty }) => {
  await sql`create schema metering`.execute(empty.db);
  const { error } = await createMigrator(empty.db).migrateTo("0019_ids_in_order");
  if (error !== undefined) throw error;
  const { rows } = await sql<{ id: string }>`
    with organizations as (insert into metering.organizations (name) values ('One'), ('Two') returning id)
    insert into metering.subscriptions (organization_id, stripe_customer_id, status)
    select id, 'cus_shared', 'active' from organizations
    returning organization_id as id
  `.execute(empty.db);
  const { log, events } = createRecordingLog();

  await migrate({ databaseUrl: empty.url, log });

  expect(events.filter(({ event }) => event === "customer_shared")).toEqual([
    {
      event: "customer_shared",
      stripe_customer_id: "cus_shared",
      organization_ids: rows.map(({ id }) => id).toSorted(),
    },
  ]);
  const kept = await sql`select from metering.subscriptions where stripe_customer_id = 'cus_shared'`.execute(
    empty.db,
  );
  expect(kept.rows).toHaveLength(2);
});
