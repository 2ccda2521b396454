import { type Kysely, sql } from "kysely";
import type { DB } from "../database/schema.ts";

/** Who pays for an organization at Stripe, as far as we know. */
export type Subscription = {
  stripeCustomerId: string | null;
  stripeSubscriptionId: string | null;
  status: string;
  currentPeriodStart: Date | null;
  currentPeriodEnd: Date | null;
};

/** Replaces an organization's subscription. Returns what is stored now, or undefined without such an organization. */
export async function putSubscription(
  db: Kysely<DB>,
  organizationId: string,
  subscription: Subscription,
): Promise<Subscription | undefined> {
  const stored = await sql<Subscription>`
    insert into metering.subscriptions as s (
      organization_id, stripe_customer_id, stripe_subscription_id, status, current_period_start, current_period_end
    )
    select
      id,
      ${subscription.stripeCustomerId},
      ${subscription.stripeSubscriptionId},
      ${subscription.status},
      ${subscription.currentPeriodStart}::timestamptz,
      ${subscription.currentPeriodEnd}::timestamptz
    from metering.organizations
    where id = ${organizationId}
    on conflict (organization_id) do update set
      stripe_customer_id = excluded.stripe_customer_id,
      stripe_subscription_id = excluded.stripe_subscription_id,
      status = excluded.status,
      current_period_start = excluded.current_period_start,
      current_period_end = excluded.current_period_end,
      updated_at = now()
    returning
      s.stripe_customer_id as "stripeCustomerId",
      s.stripe_subscription_id as "stripeSubscriptionId",
      s.status,
      s.current_period_start as "currentPeriodStart",
      s.current_period_end as "currentPeriodEnd"
  `.execute(db);
  return stored.rows[0];
}
