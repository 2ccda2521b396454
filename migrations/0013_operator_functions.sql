-- Why: the API process answers the operator's calls that move meter events, but has no right to write them: what is
-- stolen with it must not be able to change a bill. These functions run with their owner's rights, allow exactly the
-- roads of the state diagram, and take no limit of time from their caller. scripts/roles.sql says who may call them.
-- Locks: nothing that exists.

-- The limits are those of src/delivery/limits.ts and src/delivery/retry-rejected.ts; a test compares them.
-- Each filter may be null. `deliver_id` is the event that is to be delivered now: the event itself, the one that
-- replaces it, or null when it is in doubt.
create function metering.retry_rejected(only_id uuid, only_meter text, only_organization_id uuid)
returns table (
  organization_id uuid,
  id uuid,
  meter text,
  stripe_customer_id text,
  state text,
  deliver_id uuid,
  ahead integer
)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  retried_max constant integer := 10000;
  -- Stripe remembers an identifier for at least 24 hours; an hour is kept in hand.
  identifier_safe constant interval := interval '23 hours';
  -- Reasons of events whose identifier Stripe never took. All others are those of Stripe's error reports.
  untaken_reasons constant text[] := array['refused_by_stripe', 'crashes_worker', 'customer_deleted'];
begin
  return query
  with chosen as materialized (
    select m.organization_id, m.id
    from metering.meter_events m
    where m.state = 'rejected'
      and (only_id is null or m.id = only_id)
      and (only_meter is null or m.meter = only_meter)
      and (only_organization_id is null or m.organization_id = only_organization_id)
    order by m.id
    limit retried_max
    for update
  ),
  turns as (
    select c.organization_id, c.id, row_number() over (partition by c.organization_id order by c.id) - 1 as ahead
    from chosen c
  ),
  moved as (
    update metering.meter_events m
    set
      state = case
        when m.reason <> all (untaken_reasons) then 'superseded'
        when m.first_unknown_at <= now() - identifier_safe then 'in_doubt'
        else 'pending'
      end,
      reason = 'retried_by_operator',
      attempts_finished = m.attempts_started
    from turns t
    where m.organization_id = t.organization_id and m.id = t.id
    returning m.*, t.ahead
  ),
  replacements as (
    insert into metering.meter_events (
      organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, replaces_id
    )
    select
      v.organization_id, metering.uuid_v7(clock_timestamp()), v.meter, v.hour, v.quantity, v.event_at, v.entries,
      v.stripe_customer_id, v.id
    from moved v
    where v.state = 'superseded'
    returning organization_id, id, replaces_id
  )
  select
    v.organization_id, v.id, v.meter, v.stripe_customer_id, v.state,
    case v.state when 'pending' then v.id when 'superseded' then r.id end,
    case v.state when 'superseded' then 0 else v.ahead end::integer
  from moved v
  left join replacements r on r.organization_id = v.organization_id and r.replaces_id = v.id;
end
$$;
comment on function metering.retry_rejected is
  'gives rejected meter events another try, 10,000 at most; the caller makes the jobs of deliver_id in the same transaction';

-- The age limit is that of src/delivery/limits.ts; a test compares them. No row: the event is not in doubt.
create function metering.resolve_in_doubt(event_id uuid, resolution text, resolved_because text)
returns table (
  organization_id uuid,
  meter text,
  stripe_customer_id text,
  state text,
  replaced_by uuid
)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  -- Stripe refuses usage older than 35 days; a day is kept in hand.
  event_age_max constant interval := interval '34 days';
begin
  if resolution is null or resolution not in ('delivered', 'not_delivered') then
    raise exception 'a meter event is resolved as delivered or not_delivered, not as %', resolution
      using errcode = 'invalid_parameter_value';
  end if;
  if resolved_because is null or length(resolved_because) not between 1 and 500 then
    raise exception 'the reason of a resolution has 1 to 500 characters' using errcode = 'invalid_parameter_value';
  end if;
  return query
  with resolved as (
    update metering.meter_events m
    set
      state = case
        when resolution = 'delivered' then 'delivered'
        when m.event_at <= now() - event_age_max then 'expired'
        else 'superseded'
      end,
      reason = 'resolved_' || resolution,
      resolved_at = now(),
      resolution_reason = resolved_because,
      delivered_at = case when resolution = 'delivered' then now() end
    where m.id = event_id and m.state = 'in_doubt'
    returning m.*
  ),
  replacement as (
    insert into metering.meter_events (
      organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, replaces_id
    )
    select
      v.organization_id, metering.uuid_v7(clock_timestamp()), v.meter, v.hour, v.quantity, v.event_at, v.entries,
      v.stripe_customer_id, v.id
    from resolved v
    where v.state = 'superseded'
    returning id
  )
  select v.organization_id, v.meter, v.stripe_customer_id, v.state, r.id
  from resolved v
  left join replacement r on true;
end
$$;
comment on function metering.resolve_in_doubt is
  'ends the doubt about a meter event; the caller makes the job of replaced_by in the same transaction';

-- The worker may not delete either, so the daily purge of the inbox is a function too. What Stripe may still send
-- again (its command line resends for 30 days) is never deleted, whatever the caller asks.
create function metering.purge_stripe_events(kept_days integer) returns bigint
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  kept_days_min constant integer := 31;
  purged bigint;
begin
  if kept_days is null or kept_days < kept_days_min then
    raise exception 'webhook events are kept for % days at least', kept_days_min
      using errcode = 'invalid_parameter_value';
  end if;
  delete from metering.stripe_events e
  where e.received_at < now() - make_interval(days => kept_days) and e.state <> 'pending';
  get diagnostics purged = row_count;
  return purged;
end
$$;
comment on function metering.purge_stripe_events is 'deletes webhook events that are not pending and older than so many days, 31 at least';

revoke execute on function
  metering.retry_rejected(uuid, text, uuid),
  metering.resolve_in_doubt(uuid, text, text),
  metering.purge_stripe_events(integer)
from public;
