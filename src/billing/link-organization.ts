import { sql } from "kysely";
import { customerTakenBy } from "../database/customer-taken.ts";
import type { Db } from "../database/db.ts";
import { claimCustomer } from "./claim-customer.ts";
import { boundsOrNull, multirange } from "./adopt-subscription.ts";
import { type ChosenSubscription, isEnded } from "./choose-subscription.ts";
import type { CustomerRead } from "./read-customer.ts";

export type LinkResult =
  | { kind: "linked" }
  /** The organization has this customer already, from a later read. */
  | { kind: "unchanged" }
  | { kind: "refused"; reason: string };

/**
 * Links an organization to the customer of a Stripe checkout. A running link is never moved to another customer, and
 * one customer belongs to one organization: a link that would break either rule is refused, for an operator to decide.
 */
export async function linkOrganization(
  db: Db,
  organizationId: string,
  read: CustomerRead & { chosen: ChosenSubscription },
): Promise<LinkResult> {
  try {
    return await link(db, organizationId, read);
  } catch (error) {
    const owner = customerTakenBy(error);
    if (owner === undefined) throw error;
    const reason = `customer_taken: ${read.customerId} is linked to organization ${owner}`;
    return { kind: "refused", reason };
  }
}

async function link(
  db: Db,
  organizationId: string,
  { customerId, chosen, billed, otherBounds, readBeganAt }: CustomerRead & { chosen: ChosenSubscription },
): Promise<LinkResult> {
  return db.transaction().execute(async (trx) => {
    // The claim comes before the subscription's row, as in an operator's link: in the other order the two would deadlock.
    await claimCustomer(trx, organizationId, customerId);
    const present = await findLink(trx, organizationId, { isLocked: true });
    const isOfAnother = present !== undefined && present.customerId !== customerId;
    if (isOfAnother && isRunning(present)) return wouldMove(present, customerId);
    const linked = await sql`
      insert into metering.subscriptions as s (
        organization_id, stripe_customer_id, stripe_subscription_id, status, current_period_start, current_period_end,
        billed, other_bounds, read_began_at
      )
      values (
        ${organizationId}, ${customerId}, ${chosen.id}, ${chosen.status}, ${chosen.periodStart}, ${chosen.periodEnd},
        ${multirange(billed)}::tstzmultirange, ${boundsOrNull(otherBounds)}::timestamptz[], ${readBeganAt}
      )
      on conflict (organization_id) do update set
        stripe_customer_id = excluded.stripe_customer_id,
        stripe_subscription_id = excluded.stripe_subscription_id,
        status = excluded.status,
        current_period_start = excluded.current_period_start,
        current_period_end = excluded.current_period_end,
        billed = excluded.billed,
        other_bounds = excluded.other_bounds,
        customer_fault = null,
        read_began_at = excluded.read_began_at,
        updated_at = excluded.updated_at
      where s.stripe_customer_id is not distinct from ${present?.customerId ?? null}
        and (
          s.stripe_customer_id is distinct from excluded.stripe_customer_id
          or s.read_began_at is null or s.read_began_at < excluded.read_began_at
        )
      returning organization_id
    `.execute(trx);
    if (linked.rows.length > 0) return { kind: "linked" };
    // Another handler has written the first link since the look-up.
    const now = await findLink(trx, organizationId);
    return now?.customerId === customerId ? { kind: "unchanged" } : wouldMove(now, customerId);
  });
}

function wouldMove(present: Link | undefined, customerId: string): LinkResult {
  const reason = `would_move_link: the organization is linked to ${present?.customerId}, not to ${customerId}`;
  return { kind: "refused", reason };
}

export type Link = { customerId: string | null; status: string };

/** The customer that an organization is linked to, and its subscription's status, as far as stored. */
export async function findLink(
  db: Db,
  organizationId: string,
  { isLocked = false }: { isLocked?: boolean } = {},
): Promise<Link | undefined> {
  const found = await sql<Link>`
    select stripe_customer_id as "customerId", status
    from metering.subscriptions
    where organization_id = ${organizationId}
    ${isLocked ? sql`for update` : sql``}
  `.execute(db);
  return found.rows[0];
}

/** Whether the link still has a subscription that can bill. */
function isRunning({ customerId, status }: Link): boolean {
  return customerId !== null && !isEnded(status);
}
