import { sql } from "kysely";
import { expect } from "vitest";
import { silentLog } from "../log.ts";
import { emptyDatabaseTest as test } from "../testing/postgres/empty-database-fixture.ts";
import { migrate } from "../migrate/migrate.ts";
import { createMigrator } from "../migrate/migrations.ts";

test("customers of before are linked since before all usage, and organizations without one are not", async ({
  empty,
}) => {
  const { db } = empty;
  await sql`create schema metering`.execute(db);
  const { error } = await createMigrator(db).migrateTo("0019_ids_in_order");
  if (error !== undefined) throw error;
  await sql`
    with organizations as (
      insert into metering.organizations (name) values ('linked'), ('held'), ('new') returning id, name
    )
    insert into metering.subscriptions (organization_id, stripe_customer_id, status)
    select id, case name when 'linked' then 'cus_1' end, 'active' from organizations where name <> 'new'
  `.execute(db);

  await migrate({ databaseUrl: empty.url, log: silentLog });

  const { rows } = await sql`
    select o.name, s.stripe_customer_id as customer, s.starts_at::text as starts_at, s.ends_at::text as ends_at
    from metering.customer_spans s
    join metering.organizations o on o.id = s.organization_id
  `.execute(db);
  expect(rows).toEqual([{ name: "linked", customer: "cus_1", starts_at: "-infinity", ends_at: "infinity" }]);
});
