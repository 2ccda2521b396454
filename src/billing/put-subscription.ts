import { sql } from "kysely";
import type { PgBoss } from "pg-boss";
import { customerTakenBy } from "../database/customer-taken.ts";
import type { Db, Trx } from "../database/db.ts";
import { inTransaction } from "../database/in-transaction.ts";
import { claimCustomer } from "./claim-customer.ts";
import { wantCustomerRead } from "./read-customer-job.ts";
import type { NewSubscription, Subscription } from "./subscriptions.ts";

export type Put =
  | { kind: "stored"; subscription: Subscription }
  | { kind: "no_organization" }
  /** One customer belongs to one organization: this one. */
  | { kind: "customer_taken"; organizationId: string };

/** Replaces an organization's subscription with the operator's values. */
export async function putSubscription(
  db: Db,
  organizationId: string,
  subscription: NewSubscription,
): Promise<Put> {
  return unlessTaken(() => inTransaction(db, (trx) => store(trx, organizationId, subscription)));
}

/**
 * The same, and a worker reads customer and subscriptions at Stripe at once: the job commits with the link, and so do
 * the rows that `alsoIn` writes.
 */
export async function linkByHand(
  { db, boss, alsoIn }: { db: Db; boss: PgBoss; alsoIn?: (trx: Trx) => Promise<void> },
  organizationId: string,
  subscription: NewSubscription,
): Promise<Put> {
  return unlessTaken(() =>
    db.transaction().execute(async (trx) => {
      const stored = await store(trx, organizationId, subscription);
      if (stored !== undefined) await wantCustomerRead(trx, boss, organizationId);
      if (stored !== undefined) await alsoIn?.(trx);
      return stored;
    }),
  );
}

async function unlessTaken(put: () => Promise<Subscription | undefined>): Promise<Put> {
  try {
    const stored = await put();
    return stored === undefined ? { kind: "no_organization" } : { kind: "stored", subscription: stored };
  } catch (error) {
    const owner = customerTakenBy(error);
    if (owner === undefined) throw error;
    return { kind: "customer_taken", organizationId: owner };
  }
}

async function store(
  trx: Trx,
  organizationId: string,
  subscription: NewSubscription,
): Promise<Subscription | undefined> {
  await claimCustomer(trx, organizationId, subscription.stripeCustomerId);
  const stored = await sql<Subscription>`
    insert into metering.subscriptions as s (
      organization_id, stripe_customer_id, stripe_subscription_id, status, current_period_start, current_period_end,
      read_began_at
    )
    select
      id,
      ${subscription.stripeCustomerId},
      ${subscription.stripeSubscriptionId},
      ${subscription.status},
      ${subscription.currentPeriodStart}::timestamptz,
      ${subscription.currentPeriodEnd}::timestamptz,
      clock_timestamp()
    from metering.organizations
    where id = ${organizationId}
    on conflict (organization_id) do update set
      stripe_customer_id = excluded.stripe_customer_id,
      stripe_subscription_id = excluded.stripe_subscription_id,
      status = excluded.status,
      current_period_start = excluded.current_period_start,
      current_period_end = excluded.current_period_end,
      customer_fault = null,
      billed = null,
      other_bounds = null,
      read_began_at = excluded.read_began_at,
      updated_at = excluded.updated_at
    returning
      s.stripe_customer_id as "stripeCustomerId",
      s.stripe_subscription_id as "stripeSubscriptionId",
      s.status,
      s.current_period_start as "currentPeriodStart",
      s.current_period_end as "currentPeriodEnd",
      s.customer_fault as "customerFault"
  `.execute(trx);
  return stored.rows[0];
}
