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

/** An organization of a deleted customer is told for so long, unless it is linked again or archived; its held usage has an alert. */
const deletedDays = 35;

type Faulty = { organization: string; customer: string; fault: CustomerFault | null };

/** Whether Stripe has the customers that operators linked, by the workers' reads, and whether workers can read them. */
export async function checkLinkedCustomers(db: Db): Promise<Finding> {
  const { rows } = await sql<Faulty>`
    select organization_id as organization, stripe_customer_id as customer, customer_fault as fault
    from metering.subscriptions
    where stripe_customer_id is not null
      and (customer_fault is not null or read_wanted_at < now() - make_interval(secs => ${unreadSecondsMax}))
    union all
    select l.organization_id, l.stripe_customer_id, 'deleted'
    from metering.customer_links l
    join metering.subscriptions s on s.organization_id = l.organization_id and s.stripe_customer_id is null
    join metering.organizations o on o.id = l.organization_id and o.archived_at is null
    where l.customer_deleted_at > now() - make_interval(days => ${deletedDays})
      and not exists (
        select from metering.customer_links n
        where n.organization_id = l.organization_id and n.linked_at > l.linked_at
      )
    order by 1
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
