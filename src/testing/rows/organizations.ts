import { putSubscription } from "../../billing/put-subscription.ts";
import type { Db } from "../../database/db.ts";
import { createOrganization } from "../../organizations/organizations.ts";

export type Link = { customer: string; periodStart?: Date; periodEnd?: Date };

/** Creates an organization, linked to a Stripe customer when one is given. Returns its id. */
export async function addOrganization(db: Db, link?: Link): Promise<string> {
  const created = await createOrganization(db, { name: "Acme" });
  if (created.kind !== "created") throw new Error("an organization without an external id was refused");
  const { id } = created;
  if (link !== undefined) await linkCustomer(db, id, link);
  return id;
}

/** The organization that the customer pays for, made if there is none. */
export async function organizationOf(db: Db, customer: string): Promise<string> {
  const found = await db
    .selectFrom("subscriptions")
    .select("organization_id")
    .where("stripe_customer_id", "=", customer)
    .executeTakeFirst();
  return found?.organization_id ?? addOrganization(db, { customer });
}

/** Where periods of other subscriptions of the organization's customer begin and end. */
export async function setOtherBounds(db: Db, organizationId: string, bounds: Date[]): Promise<void> {
  await db
    .updateTable("subscriptions")
    .set({ other_bounds: bounds })
    .where("organization_id", "=", organizationId)
    .execute();
}

/** Gives an organization the customer who pays for it, and the running period. */
export async function linkCustomer(db: Db, organizationId: string, link: Link): Promise<void> {
  const put = await putSubscription(db, organizationId, {
    stripeCustomerId: link.customer,
    stripeSubscriptionId: null,
    status: "active",
    currentPeriodStart: link.periodStart ?? null,
    currentPeriodEnd: link.periodEnd ?? null,
  });
  if (put.kind !== "stored") throw new Error(`${link.customer} was not linked: ${JSON.stringify(put)}`);
}
