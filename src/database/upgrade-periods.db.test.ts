import { sql } from "kysely";
import { expect } from "vitest";
import { silentLog } from "../log.ts";
import { migrate } from "../migrate/migrate.ts";
import { createMigrator } from "../migrate/migrations.ts";
import { emptyDatabaseTest as test } from "../testing/postgres/empty-database-fixture.ts";

test("calendar months that overlap a told period are gone after the upgrade, unless they have an invoice", async ({
  empty: { db, url },
}) => {
  await sql`create schema metering`.execute(db);
  const { error } = await createMigrator(db).migrateTo("0134_say_what_wants_a_read");
  if (error !== undefined) throw error;
  await sql`
    with organization as (insert into metering.organizations (name) values ('One') returning id),
    invoiced as (
      insert into metering.billing_invoices
        (organization_id, invoice_id, period_start, stripe_customer_id, status, invoiced, created_at, read_began_at)
      select id, 'in_1', '2026-08-01Z', 'cus_1', 'paid', '{}', now(), now() from organization
    )
    insert into metering.billing_periods (organization_id, period_start, period_end, stripe_customer_id, stripe_subscription_id)
    select id, period_start::timestamptz, period_end::timestamptz, customer, subscription
    from organization
    cross join (
      values
        ('2026-07-20Z', '2026-08-20Z', 'cus_1', 'sub_1'), ('2026-08-01Z', '2026-08-20Z', 'cus_1', null),
        ('2026-08-20Z', '2026-09-20Z', 'cus_1', 'sub_1'), ('2026-09-01Z', '2026-09-20Z', 'cus_1', null),
        ('2026-09-10Z', '2026-09-15Z', 'cus_2', null), ('2026-09-20Z', '2026-10-20Z', 'cus_1', null)
    ) period (period_start, period_end, customer, subscription)
  `.execute(db);

  await migrate({ databaseUrl: url, log: silentLog });

  const { rows } = await sql<{ start: string }>`
    select to_char(period_start at time zone 'UTC', 'YYYY-MM-DD') as start
    from metering.billing_periods
    order by period_start
  `.execute(db);
  expect(rows.map(({ start }) => start)).toEqual([
    "2026-07-20",
    "2026-08-01",
    "2026-08-20",
    "2026-09-10",
    "2026-09-20",
  ]);
});
