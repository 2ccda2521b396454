import { findSharedCustomers } from "../../database/customer-taken.ts";
import type { Db } from "../../database/db.ts";
import { type Finding, ok, problem } from "./finding.ts";

const check = "shared customers";
const namedMax = 5;

/** Whether every Stripe customer belongs to one organization: of two gauges that one customer gets, Stripe bills one. */
export async function checkSharedCustomers(db: Db): Promise<Finding> {
  const shared = await findSharedCustomers(db);
  if (shared.length === 0) return ok(check, "none");
  const named = shared
    .slice(0, namedMax)
    .map(
      ({ customer, organizationIds }) => `${customer} pays for organizations ${organizationIds.join(", ")}`,
    );
  const more = shared.length > namedMax ? [`and ${shared.length - namedMax} more`] : [];
  return problem(
    check,
    [...named, ...more].join("; "),
    "link each organization to a customer of its own by PUT /v1/organizations/{id}/subscription",
  );
}
