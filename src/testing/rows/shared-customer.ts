import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import { addOrganization } from "./organizations.ts";

/** Two organizations of one Stripe customer, as only a version before the refusal could leave them. Oldest first. */
export async function shareCustomer(db: Db, customer: string): Promise<[string, string]> {
  const one = await addOrganization(db, { customer });
  const other = await addOrganization(db);
  await sql`alter table metering.subscriptions disable trigger claim_customer`.execute(db);
  await sql`
    insert into metering.subscriptions (organization_id, stripe_customer_id, status)
    values (${other}, ${customer}, 'active')
  `.execute(db);
  await sql`alter table metering.subscriptions enable trigger claim_customer`.execute(db);
  return [one, other];
}
