-- Why: usage that comes too late for its invoice can be sent in the running period (LATE_USAGE=carry_forward). The worker's
-- role may not write which event replaces which, nor from which period usage is carried, so functions of the owner do.
-- Locks: none.

create function metering.carry_unsent(late_organization_id uuid, late_customer text, late_start timestamptz, late_end timestamptz, late_meters text[])
returns table (organization_id uuid, id uuid, meter text, stripe_customer_id text)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  carried_max constant integer := 1000;
begin
  return query
  with unsent as (
    select m.organization_id, m.id, metering.uuid_v7(clock_timestamp()) as new_id
    from metering.meter_events m
    where m.organization_id = late_organization_id and m.stripe_customer_id = late_customer
      and m.meter = any(late_meters)
      and m.hour > late_start - interval '1 hour' and m.hour < late_end
      and m.event_at >= late_start and m.event_at < late_end
      -- No attempt can have brought it to Stripe. What Stripe had counted of events that it replaces stays in its own time.
      and m.state = 'pending' and m.attempts_started = m.attempts_finished and m.first_unknown_at is null
      and m.counted_before = 0
    order by m.id
    limit carried_max
    for update
  ),
  given as materialized (select u.* from unsent u),
  superseded as (
    update metering.meter_events m
    set state = 'superseded', reason = 'carried_forward', replaced_by_id = g.new_id
    from given g
    where m.organization_id = g.organization_id and m.id = g.id and m.state = 'pending'
    returning m.*, g.new_id
  )
  insert into metering.meter_events as n (
    organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, replaces_id, carried_from
  )
  select
    s.organization_id, s.new_id, s.meter, date_trunc('hour', now(), 'UTC'), s.quantity, now(), s.entries,
    s.stripe_customer_id, s.id, late_start
  from superseded s
  returning n.organization_id, n.id, n.meter, n.stripe_customer_id;
end
$$;
revoke execute on function metering.carry_unsent from public;
comment on function metering.carry_unsent is
  'gives pending usage of a closed period new meter events of now, 1,000 at most; the caller makes their jobs in the same transaction';

create function metering.carry_delivered(late_organization_id uuid, late_customer text, late_start timestamptz, late_meter text, late_quantity bigint, late_entries integer)
returns table (organization_id uuid, id uuid, meter text, stripe_customer_id text)
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  insert into metering.meter_events (
    organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, carried_from
  )
  values (
    late_organization_id, metering.uuid_v7(clock_timestamp()), late_meter, date_trunc('hour', now(), 'UTC'), late_quantity,
    now(), late_entries, late_customer, late_start
  )
  returning organization_id, id, meter, stripe_customer_id
$$;
revoke execute on function metering.carry_delivered from public;
comment on function metering.carry_delivered is
  'sends usage once more that Stripe counted after its invoice was final; the caller holds the billing period locked';
