import { sql } from "kysely";
import { inject } from "vitest";
import { noteOrganizationOf } from "../../database/customer-organizations.ts";
import type { Db } from "../../database/db.ts";
import { addOrganization } from "./organizations.ts";

/** Two organizations of one Stripe customer, as only a version before the refusal could leave them. Oldest first. */
export async function shareCustomer(db: Db, customer: string): Promise<[string, string]> {
  const one = await addOrganization(db, { customer });
  const other = await addOrganization(db);
  await switchClaims(db, "disable");
  await noteOrganizationOf(db, other, customer);
  await sql`
    insert into metering.subscriptions (organization_id, stripe_customer_id, status)
    values (${other}, ${customer}, 'active')
  `.execute(db);
  await switchClaims(db, "enable");
  return [one, other];
}

/** The trigger that refuses a customer of two organizations. A cluster has none: the program refuses there. */
async function switchClaims(db: Db, way: "disable" | "enable"): Promise<void> {
  if (inject("testServer").cluster !== undefined) return;
  await sql`alter table metering.subscriptions ${sql.raw(way)} trigger claim_customer`.execute(db);
}
