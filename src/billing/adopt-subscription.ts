import { type RawBuilder, sql } from "kysely";
import { listOrganizationsOf } from "../database/customer-organizations.ts";
import type { Trx } from "../database/db.ts";
import type { BilledTime, ChosenSubscription } from "./choose-subscription.ts";
import type { CustomerRead } from "./read-customer.ts";

/**
 * Writes Stripe's present state of a customer's subscriptions to the organization that the customer is linked to. It
 * never links, and a customer without any subscription of ours keeps the stored one. A read that began before the
 * stored one changes nothing. Returns what was done, in one word.
 */
export async function adoptSubscription(trx: Trx, read: CustomerRead): Promise<string | undefined> {
  const { chosen, customerId, readBeganAt } = read;
  const adopted = await sql`
    update metering.subscriptions
    set
      stripe_subscription_id = case when ${chosen !== undefined} then ${chosen?.id ?? null} else stripe_subscription_id end,
      status = case when ${chosen !== undefined} then ${chosen?.status ?? null} else status end,
      current_period_start =
        case when ${chosen !== undefined} then ${chosen?.periodStart ?? null}::timestamptz else current_period_start end,
      current_period_end =
        case when ${chosen !== undefined} then ${chosen?.periodEnd ?? null}::timestamptz else current_period_end end,
      billed = ${multirange(read.billed)}::tstzmultirange - ${pausesOf(chosen)},
      other_bounds = ${boundsOrNull(read.otherBounds)}::timestamptz[],
      read_began_at = ${readBeganAt},
      updated_at = now()
    where organization_id = any(${await listOrganizationsOf(trx, customerId)}::uuid[])
      and stripe_customer_id = ${customerId} and (read_began_at is null or read_began_at < ${readBeganAt})
    returning organization_id
  `.execute(trx);
  if (adopted.rows.length === 0) return undefined;
  return chosen === undefined ? "none_of_ours" : "synced";
}

/**
 * The pauses of the followed subscription, as far as the stored row tells: once it is resumed Stripe tells of them no more, and bills
 * from the beginning of its present period on (docs.stripe.com/billing/subscriptions/pause).
 */
function pausesOf(chosen: ChosenSubscription | undefined): RawBuilder<unknown> {
  return sql`
    case
      when stripe_subscription_id = ${chosen?.id ?? null} and not isempty(billed) then
        tstzmultirange(range_merge(billed)) - billed
        + case
          when status = 'paused' and upper(billed) < ${chosen?.periodStart ?? null}::timestamptz
            then tstzmultirange(tstzrange(upper(billed), ${chosen?.periodStart ?? null}::timestamptz))
          else '{}'
        end
      else '{}'
    end
  `;
}

/** Null in place of an empty list, so that the seal asks nothing of customers with one subscription. */
export function boundsOrNull(bounds: readonly Date[]): string[] | null {
  return bounds.length === 0 ? null : bounds.map((bound) => bound.toISOString());
}

/** Times as Postgres writes a tstzmultirange. */
export function multirange(times: readonly BilledTime[]): string {
  return `{${times.map(({ from, until }) => `[${from.toISOString()},${until?.toISOString() ?? ""})`).join(",")}}`;
}
