import { sql } from "kysely";
import type { Trx } from "../database/db.ts";
import type { Reminder } from "../queue/deliver-job.ts";
import { type MeterName, metersFoldedBy } from "../usage/meters.ts";

/** The closed period whose usage came too late. */
export type LateOf = { organizationId: string; customer: string; start: Date; end: Date };

const columns = sql`
  organization_id as "organizationId", id as "meterEventId", meter, stripe_customer_id as "stripeCustomerId", 0 as ahead
`;

/**
 * Gives pending usage of a closed period a new meter event of now, in place of the old one: under its old time no invoice
 * would have it. Only usage that no attempt can have brought to Stripe, and not of gauges, whose old values say nothing
 * now. Returns the reminders of the new events, for the same transaction.
 */
export async function carryUnsent(trx: Trx, late: LateOf): Promise<Reminder[]> {
  const carried = await sql<Reminder>`
    select ${columns}
    from metering.carry_unsent(
      ${late.organizationId}, ${late.customer}, ${late.start}, ${late.end}, ${metersFoldedBy("sum")}
    )
  `.execute(trx);
  return carried.rows;
}

/**
 * Sends usage once more that reached Stripe in its own period, but after that period's invoice was final, so that no
 * invoice has it: one new meter event of now, of the missing amount. The caller holds the period's row locked.
 */
export async function carryDelivered(
  trx: Trx,
  late: LateOf,
  { meter, quantity, entries }: { meter: MeterName; quantity: string; entries: number },
): Promise<Reminder[]> {
  const carried = await sql<Reminder>`
    select ${columns}
    from metering.carry_delivered(
      ${late.organizationId}, ${late.customer}, ${late.start}, ${meter}, ${quantity}::bigint, ${entries}::integer
    )
  `.execute(trx);
  return carried.rows;
}
