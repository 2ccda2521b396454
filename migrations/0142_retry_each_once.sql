-- Why: a retry of rejected events that Stripe had taken and reported compared each of them with each new event that replaces
-- one. Of ten thousand it took longer than a statement may, so that nothing was retried, however often it was tried. Each
-- event says itself which one replaces it. And before statistics knew of the rejected ones, all of these were read for each.
-- Locks: nothing; one function.

create or replace function metering.retry_rejected_events(only_ids uuid[]) RETURNS TABLE(organization_id uuid, id uuid, meter text, stripe_customer_id text, state text, deliver_id uuid, ahead integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
  retried_max constant integer := 10000;
  -- Stripe remembers an identifier for at least 24 hours; an hour is kept in hand.
  identifier_safe constant interval := interval '23 hours';
  -- Reasons of events whose identifier Stripe never took. All others are those of Stripe's error reports.
  untaken_reasons constant text[] := array['refused_by_stripe', 'crashes_worker', 'customer_deleted'];
  called_at constant timestamptz := now();
begin
  perform pg_advisory_xact_lock(hashtext('metering.retry_rejected'));
  return query
  with chosen as materialized (
    select m.organization_id, m.id, m.state as was, m.reason, m.attempts_started, m.first_unknown_at, m.last_attempt_at
    from metering.meter_events m
    where m.state = 'rejected' and m.id = any (only_ids)
    order by m.id
    limit retried_max
  ),
  judged as materialized (
    select
      c.organization_id, c.id, c.was, c.reason, c.attempts_started, c.first_unknown_at, c.last_attempt_at,
      metering.uuid_v7(clock_timestamp()) as new_id,
      row_number() over (partition by c.organization_id order by c.id) - 1 as ahead,
      case
        when c.reason <> all (untaken_reasons) then
          case when c.first_unknown_at < c.last_attempt_at then 'in_doubt' else 'superseded' end
        when c.first_unknown_at <= called_at - identifier_safe then 'in_doubt'
        else 'pending'
      end as next_state
    from chosen c
    order by c.id
  ),
  moved as (
    update metering.meter_events m
    set
      state = j.next_state,
      reason = case
        when m.reason <> all (untaken_reasons) and j.next_state = 'in_doubt' then 'earlier_attempt_unknown'
        else 'retried_by_operator'
      end,
      attempts_finished = m.attempts_started,
      reconcile_since = null,
      replaced_by_id = case when j.next_state = 'superseded' then j.new_id end
    from judged j
    where m.organization_id = j.organization_id and m.id = j.id
      -- Another caller may have moved it since, or a report of Stripe's told of it.
      -- The state as a value, so that nothing offers the index of all that is rejected, which would be read for each.
      and m.state = j.was and m.reason is not distinct from j.reason and m.attempts_started = j.attempts_started
      and m.first_unknown_at is not distinct from j.first_unknown_at
      and m.last_attempt_at is not distinct from j.last_attempt_at
    returning
      m.organization_id, m.id, m.meter, m.hour, m.quantity, m.event_at, m.entries, m.stripe_customer_id, m.counted_before,
      m.state, m.replaced_by_id, j.ahead
  ),
  replacements as (
    insert into metering.meter_events (
      organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, replaces_id, counted_before
    )
    select
      v.organization_id, v.replaced_by_id, v.meter, v.hour, v.quantity, v.event_at, v.entries, v.stripe_customer_id, v.id,
      v.counted_before
    from moved v
    where v.state = 'superseded'
  )
  select
    v.organization_id, v.id, v.meter, v.stripe_customer_id, v.state,
    case v.state when 'pending' then v.id when 'superseded' then v.replaced_by_id end,
    case v.state when 'superseded' then 0 else v.ahead end::integer
  from moved v;
end
$$;
