import { sql } from "kysely";
import { noteOrganizationOf } from "../database/customer-organizations.ts";
import { CustomerTaken } from "../database/customer-taken.ts";
import type { Trx } from "../database/db.ts";

/**
 * Holds the claim on a Stripe customer until the transaction ends, and writes down whom it may pay for. Throws
 * `CustomerTaken` when another organization has it.
 * A trigger says the same on a plain Postgres; on a cluster, whose nodes each know their own organizations, only this does.
 */
export async function claimCustomer(
  trx: Trx,
  organizationId: string,
  customerId: string | null,
): Promise<void> {
  if (customerId === null) return;
  await sql`select pg_advisory_xact_lock(hashtext('metering.claim_customer'))`.execute(trx);
  // Before anything is read of all organizations: afterwards a cluster would not take it any more.
  await noteOrganizationOf(trx, organizationId, customerId);
  // A statement of its own, so it sees what was committed before the lock was had.
  const { rows } = await sql<{ owner: string }>`
    select organization_id as owner
    from metering.subscriptions
    where stripe_customer_id = ${customerId} and organization_id <> ${organizationId}
    limit 1
  `.execute(trx);
  if (rows[0] !== undefined) throw new CustomerTaken(rows[0].owner);
}
