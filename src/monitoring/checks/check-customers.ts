import { sql } from "kysely";
import type { CustomerFault } from "../../billing/subscriptions.ts";
import type { Db } from "../../database/db.ts";
import { type Finding, ok, problem } from "./finding.ts";

const check = "linked customers";
const namedMax = 5;

const says: Record<CustomerFault, string> = {
  unknown: "is not known to Stripe",
  other_mode: "is of the other mode (test or live) than the key",
  deleted: "was deleted",
};

/** Whether Stripe has the customers that operators linked, by the workers' reads. */
export async function checkLinkedCustomers(db: Db): Promise<Finding> {
  const { rows } = await sql<{ organization: string; customer: string; fault: CustomerFault }>`
    select organization_id as organization, stripe_customer_id as customer, customer_fault as fault
    from metering.subscriptions
    where customer_fault is not null and stripe_customer_id is not null
    order by organization_id
  `.execute(db);
  if (rows.length === 0) return ok(check, "Stripe has them, as far as it was asked");
  const named = rows
    .slice(0, namedMax)
    .map(({ organization, customer, fault }) => `${customer} of organization ${organization} ${says[fault]}`);
  const more = rows.length > namedMax ? [`and ${rows.length - namedMax} more`] : [];
  const remedy = "link another customer by PUT /v1/organizations/{id}/subscription";
  return problem(check, [...named, ...more].join("; "), remedy);
}
