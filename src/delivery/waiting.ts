import { sql } from "kysely";

/** The reason why a pending meter event waits. */
export const waits = [
  /** Its request to Stripe is under way, or was at the last sign of its worker. */
  "attempt_under_way",
  /** The account or its meter is paused. */
  "pause",
  /** The time after its latest attempt. */
  "backoff",
  /** Stripe's clock; the database's clock is ahead of it. */
  "stripe_clock",
  /** Other events that are due before it, or a worker. */
  "turn",
  /** Its reminder is lost; a worker makes another within half a minute. */
  "reminder",
] as const;
export type Wait = (typeof waits)[number];

/**
 * One row of `"waitsFor"` and `"nextAttemptAt"` for each row of `metering.meter_events`, both null for an event that is
 * not pending. The time is when it is due. It lies in the past for an event that waits for its turn, and is null where
 * no time decides.
 */
export const waiting = sql`(
  select
    case
      when not is_pending then null
      when reminder.state = 'active' or is_under_way and shipment.state = 'active' then 'attempt_under_way'
      when paused_until is not null then 'pause'
      when coalesce(reminder.state, shipment.state) is null then 'reminder'
      when coalesce(reminder.start_after, shipment.start_after) <= now() then 'turn'
      when reason_now = 'too_early' then 'stripe_clock'
      else 'backoff'
    end as "waitsFor",
    case when is_pending and coalesce(reminder.state, shipment.state) < 'active'
      then nullif(greatest(coalesce(reminder.start_after, shipment.start_after), paused_until), 'infinity')
    end as "nextAttemptAt"
  from (
    select
      meter_events.state = 'pending' as is_pending,
      meter_events.reason as reason_now,
      meter_events.attempts_started > meter_events.attempts_finished as is_under_way,
      (
        select max(c.paused_until) from metering.delivery_control c
        where c.paused_until is not null and c.scope in ('account', meter_events.meter)
      ) as paused_until
  ) event
  left join lateral (
    -- In the words of pg-boss's own index.
    select j.state, j.start_after
    from pgboss.job j
    where event.is_pending and j.name = 'deliver-' || meter_events.meter
      and coalesce(j.singleton_key, '') = meter_events.id::text
      and j.state <= 'active' and j.policy = 'exclusive'
    limit 1
  ) reminder on true
  left join lateral (
    -- A shipment reminds of an event only until it has a reminder of its own.
    select j.state, j.start_after
    from pgboss.job j
    where event.is_pending and j.name = 'ship-' || meter_events.meter and j.id = meter_events.shipment_id
      and j.state <= 'active'
    limit 1
  ) shipment on true
)`;
