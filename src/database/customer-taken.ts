import { sql } from "kysely";
import pg from "pg";
import type { Db } from "./db.ts";

/** The Stripe customer belongs to another organization: `owner`. */
export class CustomerTaken extends Error {
  readonly owner: string;

  constructor(owner: string) {
    super("the Stripe customer belongs to another organization");
    this.name = "CustomerTaken";
    this.owner = owner;
  }
}

/** The organization that has the customer, when this error is the refusal of a claim: ours, or metering.claim_customer's. */
export function customerTakenBy(error: unknown): string | undefined {
  if (error instanceof CustomerTaken) return error.owner;
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
