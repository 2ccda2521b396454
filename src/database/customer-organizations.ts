import { sql } from "kysely";
import type { Db } from "./db.ts";

/**
 * The organizations that a Stripe customer pays for or ever paid for. A statement that looks for a customer's rows names
 * them, so that a cluster asks their shards alone, and waits for no other node. Where there are none it is not made: a list of
 * none would go to all shards.
 */
export async function listOrganizationsOf(db: Db, customerId: string | null): Promise<string[]> {
  const found = await sql<{ id: string }>`
    select organization_id as id from metering.customer_organizations
    where stripe_customer_id = ${customerId}
    order by id
  `.execute(db);
  return found.rows.map(({ id }) => id);
}

/**
 * Writes down that a customer may pay for an organization from now on, in the transaction that links them, under the lock of
 * `claimCustomer`. On one Postgres a trigger does it, too; the nodes of a cluster refuse a link that was not written down before.
 * A statement that reads beside what it writes, or has ON CONFLICT, needs further rights on a cluster: this one does neither.
 */
export async function noteOrganizationOf(db: Db, organizationId: string, customerId: string): Promise<void> {
  if ((await listOrganizationsOf(db, customerId)).includes(organizationId)) return;
  const known = await sql`select from metering.organizations where id = ${organizationId}`.execute(db);
  if (known.rows.length === 0) return;
  await sql`
    insert into metering.customer_organizations (stripe_customer_id, organization_id)
    values (${customerId}, ${organizationId})
  `.execute(db);
}
