import { type Kysely, sql, type Transaction } from "kysely";
import type { DB } from "../database/schema.ts";
import type { SubscriptionRead } from "../stripe/reads.ts";

/** Who pays for an organization at Stripe, as far as we know. */
export type Subscription = {
  stripeCustomerId: string | null;
  stripeSubscriptionId: string | null;
  status: string;
  currentPeriodStart: Date | null;
  currentPeriodEnd: Date | null;
};

/**
 * Unlinks an organization by an operator's word: what it used before stays with its customer, what it uses from now on
 * is held. Nothing changes where nothing is linked. False without such an organization.
 */
export async function unlinkOrganization(db: Kysely<DB>, organizationId: string): Promise<boolean> {
  const found = await sql`
    with unlinked as (
      update metering.subscriptions
      set
        stripe_customer_id = null,
        stripe_subscription_id = null,
        status = 'canceled',
        current_period_start = null,
        current_period_end = null,
        read_began_at = clock_timestamp(),
        updated_at = now()
      where organization_id = ${organizationId}
        and (stripe_customer_id is not null or stripe_subscription_id is not null)
    )
    select from metering.organizations where id = ${organizationId}
  `.execute(db);
  return found.rows.length > 0;
}

/** `readBeganAt` is the database's time to the microsecond, which a Date would cut. */
export type DatedRead = { subscription: SubscriptionRead; readBeganAt: string };

/** Statuses that a subscription never leaves. */
const endedStatuses = ["canceled", "incomplete_expired"];

/**
 * Links an organization to the customer and subscription that Stripe's checkout gave it, and returns whether it did. A
 * read that began before the one that is stored of the same subscription changes nothing, and neither does the late
 * word of one that has ended while the organization has another that runs.
 */
export async function linkOrganization(
  trx: Transaction<DB>,
  organizationId: string,
  { subscription, readBeganAt }: DatedRead,
): Promise<boolean> {
  const linked = await sql`
    insert into metering.subscriptions as s (
      organization_id, stripe_customer_id, stripe_subscription_id, status, current_period_start, current_period_end,
      read_began_at
    )
    values (
      ${organizationId}, ${subscription.customerId}, ${subscription.id}, ${subscription.status},
      ${subscription.periodStart}, ${subscription.periodEnd}, ${readBeganAt}
    )
    on conflict (organization_id) do update set
      stripe_customer_id = excluded.stripe_customer_id,
      stripe_subscription_id = excluded.stripe_subscription_id,
      status = excluded.status,
      current_period_start = excluded.current_period_start,
      current_period_end = excluded.current_period_end,
      read_began_at = excluded.read_began_at,
      updated_at = now()
    where case
      when s.stripe_subscription_id = excluded.stripe_subscription_id
        then s.read_began_at is null or s.read_began_at < excluded.read_began_at
      else s.stripe_customer_id is null or s.status = any(${endedStatuses})
        or excluded.status <> all(${endedStatuses})
    end
    returning organization_id
  `.execute(trx);
  return linked.rows.length > 0;
}

/**
 * Writes what Stripe says of a subscription now to the organization that has it. It never links: a customer comes only
 * from a checkout or an operator. A read that began before the one that is stored changes nothing.
 */
export async function syncSubscription(
  trx: Transaction<DB>,
  { subscription, readBeganAt }: DatedRead,
): Promise<string | undefined> {
  const synced = await sql`
    update metering.subscriptions
    set
      stripe_subscription_id = ${subscription.id},
      status = ${subscription.status},
      current_period_start = ${subscription.periodStart},
      current_period_end = ${subscription.periodEnd},
      read_began_at = ${readBeganAt},
      updated_at = now()
    where (
        stripe_subscription_id = ${subscription.id}
        or stripe_customer_id = ${subscription.customerId} and stripe_subscription_id is null
      )
      and (read_began_at is null or read_began_at < ${readBeganAt})
    returning organization_id
  `.execute(trx);
  return synced.rows.length > 0 ? "synced" : undefined;
}

/**
 * Forgets a customer that Stripe has deleted: what it would have paid for, and is not sealed, is held from now on and
 * belongs to the customer that is linked next.
 */
export async function unlinkCustomer(trx: Transaction<DB>, customerId: string): Promise<void> {
  await sql`
    update metering.subscriptions
    set stripe_customer_id = null, status = 'canceled', read_began_at = clock_timestamp(), updated_at = now()
    where stripe_customer_id = ${customerId}
  `.execute(trx);
  await sql`
    update metering.customer_links
    set customer_deleted_at = now()
    where stripe_customer_id = ${customerId} and customer_deleted_at is null
  `.execute(trx);
}

/** The organizations whose usage this customer pays for, or paid for until they were linked to another. */
export async function findOrganizationsOf(db: Kysely<DB>, customerId: string): Promise<string[]> {
  const found = await sql<{ organization_id: string }>`
    select distinct organization_id
    from metering.customer_links
    where stripe_customer_id = ${customerId} and customer_deleted_at is null
  `.execute(db);
  return found.rows.map((row) => row.organization_id);
}
