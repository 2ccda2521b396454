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
export async function carryUnsent(trx: Trx, late: LateOf, meters: readonly MeterName[]): Promise<Reminder[]> {
  const carriedMeters = metersFoldedBy("sum").filter((name) => meters.includes(name));
  const carried = await sql<Reminder>`
    select ${columns}
    from metering.carry_unsent(
      ${late.organizationId}, ${late.customer}, ${late.start}, ${late.end}, ${carriedMeters}
    )
  `.execute(trx);
  return carried.rows;
}

/** The meters of which `carryUnsent` would carry something. */
export async function listUnsent(
  trx: Trx,
  { organizationId, customer, start, end }: LateOf,
): Promise<MeterName[]> {
  const unsent = await sql<{ meter: MeterName }>`
    select distinct meter
    from metering.meter_events
    where organization_id = ${organizationId} and stripe_customer_id = ${customer}
      and meter = any(${metersFoldedBy("sum")}::text[])
      and hour > ${start}::timestamptz - interval '1 hour' and hour < ${end}
      and event_at >= ${start} and event_at < ${end}
      and state = 'pending' and attempts_started = attempts_finished and first_unknown_at is null
      and counted_before = 0
  `.execute(trx);
  return unsent.rows.map(({ meter }) => meter);
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
