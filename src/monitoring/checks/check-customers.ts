import { sql } from "kysely";
import type { CustomerFault } from "../../billing/subscriptions.ts";
import type { Db } from "../../database/db.ts";
import { type Finding, ok, problem } from "./finding.ts";

const check = "linked customers";
const namedMax = 5;
/** A worker reads a customer within seconds of its link. */
const unreadSecondsMax = 600;

const says: Record<CustomerFault, string> = {
  unknown: "is not known to Stripe",
  other_mode: "is of the other mode (test or live) than the key",
  deleted: "was deleted",
};

type Faulty = { organization: string; customer: string; fault: CustomerFault | null };

/** Whether Stripe has the customers that operators linked, by the workers' reads, and whether workers can read them. */
export async function checkLinkedCustomers(db: Db): Promise<Finding> {
  const { rows } = await sql<Faulty>`
    select organization_id as organization, stripe_customer_id as customer, customer_fault as fault
    from metering.subscriptions
    where stripe_customer_id is not null
      and (customer_fault is not null or read_wanted_at < now() - make_interval(secs => ${unreadSecondsMax}))
    order by organization_id
  `.execute(db);
  if (rows.length === 0) return ok(check, "Stripe has them, as far as it was asked");
  const named = rows
    .slice(0, namedMax)
    .map(
      ({ organization, customer, fault }) =>
        `${customer} of organization ${organization} ${fault === null ? "could not be read at Stripe yet" : says[fault]}`,
    );
  const more = rows.length > namedMax ? [`and ${rows.length - namedMax} more`] : [];
  const remedies = [
    ...(rows.some(({ fault }) => fault !== null)
      ? ["link another customer by PUT /v1/organizations/{id}/subscription"]
      : []),
    ...(rows.some(({ fault }) => fault === null)
      ? ["the worker's log event job_failed of read-customer says why it cannot be read"]
      : []),
  ];
  return problem(check, [...named, ...more].join("; "), remedies.join("; "));
}
