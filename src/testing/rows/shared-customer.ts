import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import { addOrganization, linkCustomer } from "./organizations.ts";

/** Two organizations of one Stripe customer, as only a version before the refusal could leave them. Oldest first. */
export async function shareCustomer(db: Db, customer: string): Promise<[string, string]> {
  const one = await addOrganization(db, { customer });
  const other = await addOrganization(db);
  await sql`alter table metering.subscriptions disable trigger claim_customer`.execute(db);
  await linkCustomer(db, other, { customer });
  await sql`alter table metering.subscriptions enable trigger claim_customer`.execute(db);
  return [one, other];
}
