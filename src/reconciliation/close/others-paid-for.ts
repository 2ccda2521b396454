import { listOrganizationsOf } from "../../database/customer-organizations.ts";
import type { Db } from "../../database/db.ts";
import type { UsagePeriod } from "../../outbox/paid-spans.ts";

/** The other organizations that the customer ever paid for: hardly ever one. */
export async function listOthersPaidFor(
  db: Db,
  { organizationId, customer }: Pick<UsagePeriod, "organizationId" | "customer">,
): Promise<string[]> {
  return (await listOrganizationsOf(db, customer)).filter((id) => id !== organizationId);
}
