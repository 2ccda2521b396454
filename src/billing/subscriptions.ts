import { sql } from "kysely";
import { listOrganizationsOf } from "../database/customer-organizations.ts";
import type { Db, Trx } from "../database/db.ts";

/** Who pays for an organization at Stripe, as far as we know. */
export type NewSubscription = {
  stripeCustomerId: string | null;
  stripeSubscriptionId: string | null;
  status: string;
  currentPeriodStart: Date | null;
  currentPeriodEnd: Date | null;
};

/**
 * As stored, with Stripe's answer about the customer after an operator had linked it; null: no fault, or not asked yet.
 */
export type Subscription = NewSubscription & { customerFault: CustomerFault | null };

/** A fault of a linked customer at Stripe. */
export const customerFaults = ["unknown", "other_mode", "deleted"] as const;
export type CustomerFault = (typeof customerFaults)[number];

/**
 * Unlinks an organization for an operator: its usage from before stays with the customer, its usage from now on is
 * held. Nothing changes where no customer is linked. False without such an organization.
 */
export async function unlinkOrganization(db: Db, organizationId: string): Promise<boolean> {
  const found = await sql`
    with unlinked as (
      update metering.subscriptions
      set
        stripe_customer_id = null,
        stripe_subscription_id = null,
        status = 'canceled',
        current_period_start = null,
        current_period_end = null,
        customer_fault = null,
        read_wanted_at = null,
        billed = null,
        other_bounds = null,
        read_began_at = statement_timestamp(),
        updated_at = now()
      where organization_id = ${organizationId}
        and (stripe_customer_id is not null or stripe_subscription_id is not null)
    )
    select from metering.organizations where id = ${organizationId}
  `.execute(db);
  return found.rows.length > 0;
}

/**
 * Forgets a customer that Stripe has deleted: usage of it that is not sealed is held from now on and belongs to the
 * customer that is linked next. Returns the organizations that it paid for at present.
 */
export async function unlinkCustomer(trx: Trx, customerId: string): Promise<string[]> {
  const organizationIds = await listOrganizationsOf(trx, customerId);
  if (organizationIds.length === 0) return [];
  const unlinked = await sql<{ organization_id: string }>`
    update metering.subscriptions
    set
      stripe_customer_id = null, status = 'canceled', customer_fault = null, read_wanted_at = null, billed = null,
      other_bounds = null,
      read_began_at = statement_timestamp(), updated_at = now()
    where organization_id = any(${organizationIds}::uuid[]) and stripe_customer_id = ${customerId}
    returning organization_id
  `.execute(trx);
  await sql`
    update metering.customer_links
    set customer_deleted_at = now()
    where organization_id = any(${organizationIds}::uuid[])
      and stripe_customer_id = ${customerId} and customer_deleted_at is null
  `.execute(trx);
  return unlinked.rows.map((row) => row.organization_id);
}

/** The organizations whose usage this customer pays for, or paid for until they were linked to another customer. */
export async function findOrganizationsOf(db: Db, customerId: string): Promise<string[]> {
  const organizationIds = await listOrganizationsOf(db, customerId);
  if (organizationIds.length === 0) return [];
  const found = await sql<{ organization_id: string }>`
    select distinct organization_id
    from metering.customer_links
    where organization_id = any(${organizationIds}::uuid[])
      and stripe_customer_id = ${customerId} and customer_deleted_at is null
  `.execute(db);
  return found.rows.map((row) => row.organization_id);
}

/** An event that has waited for so long stands in a backlog. */
const backlogSeconds = 60;

/** Whether an event that arrived then has waited for so long. */
export const isInBacklog = (arrivedAt: string) =>
  sql<boolean>`${arrivedAt}::timestamptz < now() - make_interval(secs => ${backlogSeconds})`;

/**
 * The link of a customer who pays for an organization at present. `isReadSince`: its subscriptions were read since that time, which
 * is a minute ago or more.
 */
export async function findLinkOf(
  db: Db,
  customerId: string,
  { since }: { since: string },
): Promise<{ isReadSince: boolean } | undefined> {
  const organizationIds = await listOrganizationsOf(db, customerId);
  if (organizationIds.length === 0) return undefined;
  const linked = await sql<{ isReadSince: boolean }>`
    select
      billed is not null and read_began_at > ${since}::timestamptz and ${isInBacklog(since)} as "isReadSince"
    from metering.subscriptions
    where organization_id = any(${organizationIds}::uuid[])
      and stripe_customer_id = ${customerId}
    limit 1
  `.execute(db);
  return linked.rows[0];
}
