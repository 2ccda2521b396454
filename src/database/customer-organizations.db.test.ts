import { sql } from "kysely";
import { expect, inject } from "vitest";
import { silentLog } from "../log.ts";
import { migrate } from "../migrate/migrate.ts";
import { createMigrator } from "../migrate/migrations.ts";
import { databaseTest } from "../testing/postgres/database-fixture.ts";
import { emptyDatabaseTest } from "../testing/postgres/empty-database-fixture.ts";
import { addOrganization, linkCustomer } from "../testing/rows/organizations.ts";
import { listOrganizationsOf } from "./customer-organizations.ts";
import type { Db } from "./db.ts";

const isCluster = inject("testServer").cluster !== undefined;

databaseTest(
  "a customer's organizations are named also when it pays for another one now",
  async ({ database }) => {
    const { db } = database;
    const first = await addOrganization(db, { customer: "cus_1" });
    const second = await addOrganization(db);
    await linkCustomer(db, first, { customer: "cus_2" });
    await linkCustomer(db, second, { customer: "cus_1" });

    expect(await listOrganizationsOf(db, "cus_1")).toEqual([first, second].toSorted());
    expect(await listOrganizationsOf(db, "cus_2")).toEqual([first]);
    expect(await listOrganizationsOf(db, "cus_3")).toEqual([]);
    expect(await listOrganizationsOf(db, null)).toEqual([]);
  },
);

databaseTest("a link past the program names its organization, too, or is refused", async ({ database }) => {
  const { db } = database;
  const organizationId = await addOrganization(db);
  const link = sql`
    insert into metering.subscriptions (organization_id, stripe_customer_id, status)
    values (${organizationId}, 'cus_1', 'active')
  `;

  // The nodes of a cluster may not write what every node has.
  if (isCluster) await expect(link.execute(db)).rejects.toThrow("from a query on a shard");
  else await link.execute(db);
  await expect(
    sql`
      insert into metering.customer_links (organization_id, linked_at, stripe_customer_id, ended_at)
      values (${organizationId}, now() - interval '2 days', 'cus_unnamed', now() - interval '1 day')
    `.execute(db),
  ).rejects.toMatchObject({ code: "23503" });

  expect(await listOrganizationsOf(db, "cus_1")).toEqual(isCluster ? [] : [organizationId]);
  expect(await listUnnamed(db)).toEqual([]);
});

emptyDatabaseTest("links of before are named by the migration, ended ones too", async ({ empty }) => {
  const { db } = empty;
  await sql`create schema metering`.execute(db);
  const { error } = await createMigrator(db).migrateTo("0134_say_what_wants_a_read");
  if (error !== undefined) throw error;
  await sql`
    with organizations as (insert into metering.organizations (name) values ('One'), ('Two') returning id, name)
    insert into metering.subscriptions (organization_id, stripe_customer_id, status)
    select id, 'cus_of_' || name, 'active' from organizations
  `.execute(db);
  await sql`update metering.subscriptions set stripe_customer_id = stripe_customer_id || '_now'`.execute(db);

  await migrate({ databaseUrl: empty.url, log: silentLog });

  const { rows } = await sql<{ customer: string }>`
    select c.stripe_customer_id as customer
    from metering.customer_organizations c
    join metering.organizations o on o.id = c.organization_id and starts_with(c.stripe_customer_id, 'cus_of_' || o.name)
    order by 1
  `.execute(db);
  expect(rows.map(({ customer }) => customer)).toEqual(
    ["One", "One_now", "Two", "Two_now"].map((of) => `cus_of_${of}`),
  );
  expect(await listUnnamed(db)).toEqual([]);
});

/** Links whose customer does not name their organization. */
async function listUnnamed(db: Db): Promise<unknown[]> {
  const { rows } = await sql`
    select l.organization_id, l.stripe_customer_id
    from metering.customer_links l
    left join metering.customer_organizations c
      on c.organization_id = l.organization_id and c.stripe_customer_id = l.stripe_customer_id
    where c.organization_id is null
  `.execute(db);
  return rows;
}
