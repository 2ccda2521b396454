import { sql } from "kysely";
import type { PgBoss } from "pg-boss";
import type { Db } from "../../database/db.ts";
import { stripeEventsQueue } from "../../queue/queues.ts";

export type InboxRow = { id: string; type: string; state: string; attempts: number; error: string | null };

/** The webhook inbox, the oldest first. */
export async function readInbox(db: Db): Promise<InboxRow[]> {
  const { rows } = await sql<InboxRow>`
    select event_id as id, event_type as type, state, attempts, error
    from metering.stripe_events
    order by received_at, event_id
  `.execute(db);
  return rows;
}

export type SubscriptionRow = { customer: string | null; subscription: string | null; status: string };

/** Who pays for an organization, as we know it; undefined when it never had a customer. */
export async function readSubscriptionOf(
  db: Db,
  organizationId: string,
): Promise<SubscriptionRow | undefined> {
  const { rows } = await sql<SubscriptionRow>`
    select stripe_customer_id as customer, stripe_subscription_id as subscription, status
    from metering.subscriptions
    where organization_id = ${organizationId}
  `.execute(db);
  return rows[0];
}

/** Makes every event that waits for its next attempt due now. */
export async function hurryStripeEvents(db: Db): Promise<void> {
  await sql`
    update pgboss.job set start_after = now() where name = ${stripeEventsQueue.name} and state in ('created', 'retry')
  `.execute(db);
}

/** Ends the lease of every job at once, as if its holder had not been heard of for that long. */
export async function endStripeEventLeases(db: Db, boss: PgBoss): Promise<void> {
  const { name } = stripeEventsQueue;
  await sql`
    update pgboss.job set started_on = started_on - interval '1 hour' where name = ${name} and state = 'active'
  `.execute(db);
  await sql`update pgboss.queue set monitor_claim_on = null, monitor_on = null where name = ${name}`.execute(
    db,
  );
  await boss.supervise(name);
  await hurryStripeEvents(db);
}
