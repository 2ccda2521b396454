import { sql } from "kysely";
import type { Trx } from "../database/db.ts";
import type { Reminder } from "../queue/deliver-job.ts";
import { type MeterName, metersFoldedBy } from "../usage/meters.ts";

/** The closed period whose usage came too late. */
export type LateOf = { organizationId: string; customer: string; start: Date; end: Date };

const movedMax = 1_000;

/**
 * Gives pending usage of a closed period a new meter event of now, in place of the old one: under its old time no invoice
 * would have it. Only usage that no attempt can have brought to Stripe, and not of gauges, whose old values say nothing
 * now. Returns the reminders of the new events, for the same transaction.
 */
export async function moveUnsentUsage(trx: Trx, late: LateOf): Promise<Reminder[]> {
  const moved = await sql<Reminder>`
    with unsent as (
      select m.organization_id, m.id
      from metering.meter_events m
      where m.organization_id = ${late.organizationId} and m.stripe_customer_id = ${late.customer}
        and m.meter = any(${metersFoldedBy("sum")})
        and m.hour > ${late.start}::timestamptz - interval '1 hour' and m.hour < ${late.end}
        and m.event_at >= ${late.start} and m.event_at < ${late.end}
        and m.state = 'pending' and m.attempts_started = m.attempts_finished and m.first_unknown_at is null
      order by m.id
      limit ${movedMax}
      for update
    ),
    given as materialized (
      select u.organization_id, u.id as old_id, metering.uuid_v7(clock_timestamp()) as id from unsent u
    ),
    superseded as (
      update metering.meter_events m
      set state = 'superseded', reason = 'carried_forward', replaced_by_id = g.id
      from given g
      where m.organization_id = g.organization_id and m.id = g.old_id and m.state = 'pending'
      returning m.*, g.id as new_id
    )
    insert into metering.meter_events (
      organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, replaces_id, counted_before,
      carried_from
    )
    select
      organization_id, new_id, meter, date_trunc('hour', now(), 'UTC'), quantity, now(), entries, stripe_customer_id, id,
      0, ${late.start}
    from superseded
    returning
      organization_id as "organizationId", id as "meterEventId", meter, stripe_customer_id as "stripeCustomerId",
      0 as ahead
  `.execute(trx);
  return moved.rows;
}

/**
 * Sends usage once more that reached Stripe in its own period, but after that period's invoice was final, so that no
 * invoice has it: one new meter event of now, of the missing amount. The caller holds the period's row locked.
 */
export async function sendLateUsage(
  trx: Trx,
  late: LateOf,
  { meter, quantity, entries }: { meter: MeterName; quantity: string; entries: number },
): Promise<Reminder[]> {
  const sent = await sql<Reminder>`
    insert into metering.meter_events (
      organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, carried_from
    )
    values (
      ${late.organizationId}, metering.uuid_v7(clock_timestamp()), ${meter}, date_trunc('hour', now(), 'UTC'),
      ${quantity}::bigint, now(), ${entries}, ${late.customer}, ${late.start}
    )
    returning
      organization_id as "organizationId", id as "meterEventId", meter, stripe_customer_id as "stripeCustomerId",
      0 as ahead
  `.execute(trx);
  return sent.rows;
}
