import { sql } from "kysely";
import pg from "pg";
import type { Db } from "./db.ts";

/** The organization that has the customer, when this error is the refusal of metering.claim_customer. */
export function customerTakenBy(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError && error.constraint === "one_organization_per_customer"
    ? error.detail
    : undefined;
}

export type SharedCustomer = { customer: string; organizationIds: string[] };

/** Customers that several organizations are linked to. Databases from before that was refused may have some. */
export async function findSharedCustomers(db: Db): Promise<SharedCustomer[]> {
  const shared = await sql<SharedCustomer>`
    select stripe_customer_id as customer, array_agg(organization_id order by organization_id) as "organizationIds"
    from metering.subscriptions
    where stripe_customer_id is not null
    group by stripe_customer_id
    having count(*) > 1
    order by stripe_customer_id
  `.execute(db);
  return shared.rows;
}
